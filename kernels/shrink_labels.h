#pragma once

#include <cstdint>
#include <span>

#include "kernels/base/queue.h"
#include "kernels/base/volume.h"

namespace vox {

/// y[n,d,h,w] = x[n,f*d+f/2,f*h+f/2,f*w+f/2] with f = factor: the nearest voxel, floor((i+1/2)*f) along each axis,
/// which is PyTorch's interpolate(mode="nearest-exact"). No class comes in that was not there.
template <class T> struct ShrinkLabelsArgs {
  VolumeShape shape;     ///< of y; its one channel is no block: labels lie plain, [N,D,H,W]
  std::int64_t factor;   ///< even
  std::span<const T> x;  ///< [N,f*D,f*H,f*W]
  std::span<T> y;        ///< [N,D,H,W], overwritten
};

VOX_KERNEL(shrink_labels, ShrinkLabelsArgs);

}  // namespace vox
