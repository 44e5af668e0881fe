#pragma once

#include <algorithm>

#include "kernels/base/volume_parts.h"
#include "kernels/cpu/winograd/load.h"
#include "kernels/plan/winograd.h"

namespace vox {
namespace {

/// Walks over the memory that a box will read or write later, a few cache lines at a time, so that it is near when its
/// turn comes. Between two calls lie a few hundred cycles of arithmetic.
template <class E> class WinogradAhead {
 public:
  WinogradAhead() = default;
  /// Blocks [first,last) of case n, voxels [d,d_end) x [h,h_end) x [w,w_end), cut to the volume.
  WinogradAhead(const VolumeParts<E>& parts, const VolumeShape& s, std::int64_t n, std::int64_t first,
                std::int64_t last, const std::int64_t (&begin)[3], const std::int64_t (&end)[3])
      : parts_(parts),
        n_(n),
        block_(first),
        last_(std::min(last, s.blocks())),
        stride_{s.h * s.w * kBlock8, s.w * kBlock8} {
    const std::int64_t extent[3] = {s.d, s.h, s.w};
    std::int64_t from[3];
    std::int64_t size[3];
    for (std::size_t i = 0; i < 3; ++i) {
      from[i] = std::clamp<std::int64_t>(begin[i], 0, extent[i]);
      size[i] = std::max<std::int64_t>(std::min(end[i], extent[i]) - from[i], 0);
    }
    first_ = from[0] * stride_[0] + from[1] * stride_[1] + from[2] * kBlock8;
    planes_ = size[0];
    rows_ = size[1];
    row_elements_ = size[2] * kBlock8;
    if (planes_ * rows_ * row_elements_ == 0) { block_ = last_; }
    if (block_ < last_) { at_ = parts_.at(n_, block_) + first_; }
  }

  [[nodiscard]] std::int64_t lines() const {
    return block_ < last_ ? (last_ - block_) * planes_ * rows_ * ((row_elements_ + kLine - 1) / kLine) : 0;
  }
  void fetch(std::int64_t lines) {
    while (lines > 0 && block_ < last_) {
      const std::int64_t here = std::min(lines, (row_elements_ - element_ + kLine - 1) / kLine);
      const E* const from = at_ + element_;
      for (std::int64_t i = 0; i < here; ++i) { __builtin_prefetch(from + i * kLine, 0, 2); }
      lines -= here;
      element_ += here * kLine;
      if (element_ >= row_elements_) { next_row(); }
    }
  }

 private:
  static constexpr std::int64_t kLine = 64 / static_cast<std::int64_t>(sizeof(E));
  void next_row() {
    element_ = 0;
    at_ += stride_[1];
    if (++row_ < rows_) { return; }
    row_ = 0;
    at_ += stride_[0] - rows_ * stride_[1];
    if (++plane_ < planes_) { return; }
    plane_ = 0;
    if (++block_ < last_) { at_ = parts_.at(n_, block_) + first_; }
  }

  VolumeParts<E> parts_;
  E* at_ = nullptr;  ///< the present row
  std::int64_t n_ = 0;
  std::int64_t block_ = 0;
  std::int64_t last_ = 0;
  std::int64_t stride_[2] = {};  ///< of planes and of rows, in elements
  std::int64_t first_ = 0;       ///< the first voxel in a block
  std::int64_t planes_ = 0;
  std::int64_t rows_ = 0;
  std::int64_t row_elements_ = 0;
  std::int64_t plane_ = 0;
  std::int64_t row_ = 0;
  std::int64_t element_ = 0;
};

/// What the tiles of a box read along Axis, all channels.
template <class Axis, class T> WinogradAhead<const T> ahead_of(const WinogradSource<T>& x, const WinogradBox& b) {
  const std::int64_t p = x.padding;
  constexpr std::int64_t kHalo = Axis::kIn - Axis::kStep;
  return {x.parts,
          x.shape,
          b.n,
          0,
          x.shape.blocks(),
          {b.d - p, b.h - p, b.w - p},
          {b.d - p + Axis::kIn, b.h - p + b.tiles_h * Axis::kStep + kHalo, b.w - p + b.tiles_w * Axis::kStep + kHalo}};
}

}  // namespace
}  // namespace vox
