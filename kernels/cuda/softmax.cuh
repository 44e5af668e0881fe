#pragma once

#include <cmath>
#include <cstdint>
#include <limits>

#include "kernels/cuda/chunk.cuh"

namespace vox::gpu {

/// Softmax over the channels of one voxel, whose blocks lie stride elements apart, by one thread. Up to eight channels
/// (kOneBlock) are read once and their exponentials stay in registers; more are read again in each turn.
template <class T, bool kOneBlock> class VoxelSoftmax {
 public:
  using A = Acc<T>;
  static constexpr int kLanes = static_cast<int>(kBlock8);

  __device__ __forceinline__ VoxelSoftmax(const T* x, std::int64_t stride, int channels)
      : x_(x), stride_(stride), channels_(channels), top_(-std::numeric_limits<A>::infinity()), sum_(0) {
    for (int b = 0; b < blocks(); ++b) {
      logits(b);
      VOX_UNROLL
      for (int c = 0; c < kLanes; ++c) { top_ = top_ < lanes_[c] ? lanes_[c] : top_; }
    }
    for (int b = 0; b < blocks(); ++b) {
      if constexpr (!kOneBlock) { logits(b); }
      raise(b);
      VOX_UNROLL
      for (int c = 0; c < kLanes; ++c) { sum_ += lanes_[c]; }
    }
  }

  [[nodiscard]] __device__ __forceinline__ int blocks() const {
    return kOneBlock ? 1 : (channels_ + kLanes - 1) / kLanes;
  }
  [[nodiscard]] __device__ __forceinline__ A top() const { return top_; }
  [[nodiscard]] __device__ __forceinline__ A sum() const { return sum_; }  ///< of exp(x - top)

  /// exp(x - top) in the lanes of block b, 0 in padding channels.
  [[nodiscard]] __device__ __forceinline__ const A (&exponentials(int b))[kBlock8] {
    if constexpr (!kOneBlock) {
      logits(b);
      raise(b);
    }
    return lanes_;
  }

 private:
  __device__ __forceinline__ void logits(int b) {
    const Pack<T, kLanes> p = load_pack<kLanes>(x_ + b * stride_);
    VOX_UNROLL
    for (int c = 0; c < kLanes; ++c) {
      lanes_[c] = b * kLanes + c < channels_ ? load(p.v[c]) : -std::numeric_limits<A>::infinity();
    }
  }
  __device__ __forceinline__ void raise(int b) {
    VOX_UNROLL
    for (int c = 0; c < kLanes; ++c) { lanes_[c] = b * kLanes + c < channels_ ? std::exp(lanes_[c] - top_) : A{0}; }
  }

  const T* x_;
  std::int64_t stride_;
  int channels_;
  A top_;
  A sum_;
  A lanes_[kLanes];
};

}  // namespace vox::gpu
