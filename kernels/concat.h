#pragma once

#include <span>

#include "kernels/base/bf16.h"
#include "kernels/base/queue.h"
#include "kernels/base/volume.h"

namespace vox {

/// y = [a, b] along C. All blocked.
template <class T> struct ConcatArgs {
  VolumeShape a_shape;
  VolumeShape b_shape;  ///< that of a but for c
  std::span<const T> a;
  std::span<const T> b;
  std::span<T> y;  ///< a_shape.c + b_shape.c channels, overwritten
};

/// da = the first a_shape.c channels of dy, db = the rest.
template <class T> struct ConcatGradArgs {
  VolumeShape a_shape;
  VolumeShape b_shape;
  std::span<const T> dy;
  std::span<T> da;  ///< overwritten; empty when not wanted
  std::span<T> db;  ///< overwritten; empty when not wanted
};

VOX_KERNEL(concat_forward, ConcatArgs);
VOX_KERNEL(concat_backward, ConcatGradArgs);

}  // namespace vox
