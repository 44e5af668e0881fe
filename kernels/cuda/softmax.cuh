#pragma once

#include <cmath>
#include <cstdint>
#include <limits>

#include "kernels/cuda/chunk.cuh"

namespace vox::gpu {

/// exp(x) for x <= 0 where what is near 1 matters: one instruction of a GPU in f32.
template <class A> [[nodiscard]] __device__ __forceinline__ A raised(A x) {
  if constexpr (sizeof(A) == sizeof(float)) {
    return __expf(x);
  } else {
    return std::exp(x);
  }
}
/// 1 / x for x in [1,256].
template <class A> [[nodiscard]] __device__ __forceinline__ A inverted(A x) {
  if constexpr (sizeof(A) == sizeof(float)) {
    return __fdividef(1.0F, x);
  } else {
    return A{1} / x;
  }
}

/// Stores the eight lanes of a block of a voxel.
template <class T> __device__ __forceinline__ void store_lanes(T* to, const Acc<T> (&v)[kBlock8]) {
  VOX_UNROLL
  for (int i = 0; i < kBlock8; i += kWide<T>) {
    Acc<T> piece[kWide<T>];
    VOX_UNROLL
    for (int j = 0; j < kWide<T>; ++j) { piece[j] = v[i + j]; }
    store_wide(to + i, piece);
  }
}

/// Softmax over the channels of one voxel, whose blocks lie stride elements apart, by one thread. Up to eight channels
/// (kOneBlock) are read once and their exponentials stay in registers; more are read again in each turn. LANES: of a
/// block that are looked at.
template <class T, bool kOneBlock, int LANES = static_cast<int>(kBlock8)> class VoxelSoftmax {
 public:
  using A = Acc<T>;
  static constexpr int kLanes = static_cast<int>(kBlock8);
  static_assert(kOneBlock || LANES == kLanes);

  __device__ __forceinline__ VoxelSoftmax(const T* x, std::int64_t stride, int channels)
      : x_(x), stride_(stride), channels_(channels), top_(-std::numeric_limits<A>::infinity()), sum_(0) {
    for (int b = 0; b < blocks(); ++b) {
      logits(b);
      VOX_UNROLL
      for (int c = 0; c < LANES; ++c) { top_ = top_ < lanes_[c] ? lanes_[c] : top_; }
    }
    for (int b = 0; b < blocks(); ++b) {
      if constexpr (!kOneBlock) { logits(b); }
      raise();
      VOX_UNROLL
      for (int c = 0; c < LANES; ++c) { sum_ += lanes_[c]; }
    }
  }

  [[nodiscard]] __device__ __forceinline__ int blocks() const {
    return kOneBlock ? 1 : (channels_ + kLanes - 1) / kLanes;
  }
  [[nodiscard]] __device__ __forceinline__ A top() const { return top_; }
  [[nodiscard]] __device__ __forceinline__ A sum() const { return sum_; }  ///< of exp(x - top)

  /// exp(x - top) in the lanes of block b, 0 in padding channels.
  [[nodiscard]] __device__ __forceinline__ const A (&exponentials(int b))[LANES] {
    if constexpr (!kOneBlock) {
      logits(b);
      raise();
    }
    return lanes_;
  }
  /// x - top in the lanes of the block of the last call.
  [[nodiscard]] __device__ __forceinline__ const A (&below_top() const)[LANES] { return below_; }

 private:
  __device__ __forceinline__ void logits(int b) {
    const Pack<T, kLanes> p = load_pack<kLanes>(x_ + b * stride_);
    VOX_UNROLL
    for (int c = 0; c < LANES; ++c) {
      lanes_[c] = b * kLanes + c < channels_ ? load(p.v[c]) : -std::numeric_limits<A>::infinity();
    }
  }
  __device__ __forceinline__ void raise() {
    VOX_UNROLL
    for (int c = 0; c < LANES; ++c) {
      below_[c] = lanes_[c] - top_;
      lanes_[c] = raised(below_[c]);  // of padding, -infinity: 0
    }
  }

  const T* x_;
  std::int64_t stride_;
  int channels_;
  A top_;
  A sum_;
  A lanes_[LANES];
  A below_[LANES];
};

}  // namespace vox::gpu
