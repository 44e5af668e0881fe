#pragma once

#include <cstdint>
#include <limits>

#include "kernels/base/bf16.h"
#include "kernels/base/volume.h"
#include "kernels/cpu/simd/exp.h"
#include "kernels/cpu/simd/lanes.h"

namespace vox {
namespace {

/// Softmax over the channels of one voxel at a time, whose blocks lie stride() elements apart.
template <class T> class SoftmaxLanes {
 public:
  using A = Acc<T>;

  explicit SoftmaxLanes(const VolumeShape& s) : blocks_(s.blocks()), stride_(s.voxels() * kBlock8) {
    for (std::int64_t c = s.channels_in(blocks_ - 1); c < kBlock8; ++c) {
      floor_[c] = -std::numeric_limits<A>::infinity();
    }
  }

  [[nodiscard]] std::int64_t blocks() const { return blocks_; }
  [[nodiscard]] std::int64_t stride() const { return stride_; }

  /// What exp(x - top) / sum has in common for all channels of the voxel, in every lane.
  struct Scale {
    Lanes<A> top;
    Lanes<A> sum;
  };
  [[gnu::always_inline]] void find_scale(const T* x, Scale& scale) const {
    logits(x, 0, scale.top);
    for (std::int64_t b = 1; b < blocks_; ++b) {
      Lanes<A> v;
      logits(x, b, v);
      raise_to(v, scale.top);
    }
    spread_largest(scale.top);
    scale.sum = Lanes<A>{};
    for (std::int64_t b = 0; b < blocks_; ++b) {
      Lanes<A> e;
      exponentials(x, b, scale, e);
      scale.sum += e;
    }
    spread_sum(scale.sum);
  }

  /// e = exp(x - top) in the lanes of block b, 0 in padding channels.
  [[gnu::always_inline]] void exponentials(const T* x, std::int64_t b, const Scale& scale, Lanes<A>& e) const {
    logits(x, b, e);
    e -= scale.top;
    exp_nonpositive(e);
  }

 private:
  /// The logits of block b, -inf in padding channels.
  [[gnu::always_inline]] void logits(const T* x, std::int64_t b, Lanes<A>& v) const {
    load_lanes(x + b * stride_, v);
    if (b == blocks_ - 1) { v += floor_; }
  }

  std::int64_t blocks_;
  std::int64_t stride_;
  Lanes<A> floor_{};  ///< -inf in the padding channels of the last block, 0 elsewhere
};

}  // namespace
}  // namespace vox
