#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>

#include "kernels/bf16.h"
#include "kernels/cpu/exp.h"
#include "kernels/volume.h"

namespace vox {

template <class A> [[gnu::always_inline]] inline A largest(const A (&v)[kBlock8]) {
  const A a = std::max(std::max(v[0], v[4]), std::max(v[2], v[6]));
  const A b = std::max(std::max(v[1], v[5]), std::max(v[3], v[7]));
  return std::max(a, b);
}
template <class A> [[gnu::always_inline]] inline A total(const A (&v)[kBlock8]) {
  return ((v[0] + v[4]) + (v[2] + v[6])) + ((v[1] + v[5]) + (v[3] + v[7]));
}

/// Softmax over the channels of one voxel at a time, whose blocks lie `stride` elements apart.
template <class T> class SoftmaxLanes {
 public:
  using A = Acc<T>;

  explicit SoftmaxLanes(const VolumeShape& s) : blocks_(s.blocks()), stride_(s.voxels() * kBlock8) {
    for (std::int64_t c = 0; c < kBlock8; ++c) {
      floor_[1][c] = c < s.channels_in(blocks_ - 1) ? A{0} : -std::numeric_limits<A>::infinity();
    }
  }

  [[nodiscard]] std::int64_t blocks() const { return blocks_; }
  [[nodiscard]] std::int64_t stride() const { return stride_; }

  /// What of exp(x - top) / sum is common to the voxel's channels.
  struct Scale {
    A top;
    A sum;
  };
  [[gnu::always_inline]] Scale scale(const T* x) const {
    A best[kBlock8];
    std::fill_n(best, kBlock8, -std::numeric_limits<A>::infinity());
    for (std::int64_t b = 0; b < blocks_; ++b) {
      for (std::int64_t c = 0; c < kBlock8; ++c) {
        best[c] = std::max(best[c], load(x[b * stride_ + c]) + floor(b)[c]);
      }
    }
    const A top = largest(best);
    A sum[kBlock8]{};
    for (std::int64_t b = 0; b < blocks_; ++b) {
      A e[kBlock8];
      exponentials(x, b, top, e);
      for (std::int64_t c = 0; c < kBlock8; ++c) { sum[c] += e[c]; }
    }
    return {top, total(sum)};
  }

  /// e[c] = exp(x - top) in the lanes of block b, 0 in padding channels.
  [[gnu::always_inline]] void exponentials(const T* x, std::int64_t b, A top, A (&e)[kBlock8]) const {
    for (std::int64_t c = 0; c < kBlock8; ++c) { e[c] = exp_nonpositive(load(x[b * stride_ + c]) - top + floor(b)[c]); }
  }

 private:
  [[nodiscard]] const A (&floor(std::int64_t b) const)[kBlock8] { return floor_[b == blocks_ - 1 ? 1 : 0]; }

  std::int64_t blocks_;
  std::int64_t stride_;
  A floor_[2][kBlock8]{};  ///< added to the channels of a block that is not, and that is the last: -inf for padding
};

}  // namespace vox
