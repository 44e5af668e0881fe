#pragma once

#include <cstdint>
#include <span>

#include "kernels/base/bf16.h"
#include "kernels/base/queue.h"
#include "kernels/base/volume.h"

namespace vox {

/// The extents after pooling: halves, rounded down.
[[nodiscard]] VOX_HD constexpr VolumeShape pooled(const VolumeShape& x) {
  return {x.n, x.c, x.d / 2, x.h / 2, x.w / 2};
}

/// y = the largest of each 2x2x2 cell of x; NaN wins over any number.
template <class T> struct MaxPool3dArgs {
  VolumeShape shape;     ///< of x
  std::span<const T> x;  ///< blocked
  std::span<T> y;        ///< blocked, pooled(shape), overwritten
  /// As many as y: which voxel of its cell, in scan order, the first largest one was. Empty: not wanted.
  std::span<std::uint8_t> winners = {};
};

/// dx = dy at the winner of each cell, 0 elsewhere and in odd last planes; or dx grows by that.
template <class T> struct MaxPool3dGradArgs {
  VolumeShape shape;  ///< of x
  std::span<const std::uint8_t> winners;
  std::span<const T> dy;  ///< blocked, pooled(shape)
  bool adds = false;      ///< to what dx holds
  std::span<T> dx;        ///< blocked, overwritten or added to
};

VOX_KERNEL(max_pool3d_forward, MaxPool3dArgs);
VOX_KERNEL(max_pool3d_backward, MaxPool3dGradArgs);

}  // namespace vox
