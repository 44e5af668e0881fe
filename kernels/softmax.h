#pragma once

#include <span>

#include "kernels/base/bf16.h"
#include "kernels/base/queue.h"
#include "kernels/base/volume.h"

namespace vox {

/// y[n,c,v] = exp(x[n,c,v] - top) / sum over c of exp(x[n,c,v] - top), top the largest x of the voxel.
template <class T> struct SoftmaxArgs {
  VolumeShape shape;
  std::span<const T> x;  ///< blocked
  std::span<T> y;        ///< blocked, overwritten; may be x where shape.c <= 8
};

/// dx = y * (dy - sum over c of y * dy)
template <class T> struct SoftmaxGradArgs {
  VolumeShape shape;
  std::span<const T> y;   ///< blocked
  std::span<const T> dy;  ///< blocked
  std::span<T> dx;        ///< blocked, overwritten
};

VOX_KERNEL(softmax_forward, SoftmaxArgs);
VOX_KERNEL(softmax_backward, SoftmaxGradArgs);

}  // namespace vox
