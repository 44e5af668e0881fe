#pragma once

#include <cstdint>
#include <span>

#include "kernels/base/augmentation.h"
#include "kernels/base/bf16.h"
#include "kernels/base/queue.h"
#include "kernels/base/volume.h"

namespace vox {

/// How samples enter a device: what was drawn for each happens to its image and label (kernels/base/augmentation.h),
/// and the image gets the network's layout and type, rounded once; padding channels become zero. The bits are those of
/// augment() in data/loading, which does it on the CPU: there by the loader's threads, sample by sample as they are
/// read, while the kernels' threads compute the step, so that there is no kernel for the CPU here.
template <class T> struct AugmentArgs {
  VolumeShape shape;
  std::span<const float> images;         ///< [N,C,D,H,W]
  std::span<const std::uint8_t> labels;  ///< [N,D,H,W]
  std::span<const Augmentation> drawn;   ///< by sample, on the CPU; empty: nothing happens to any
  std::span<T> out_images;               ///< [N,ceil(C/8),D,H,W,8], overwritten
  std::span<std::uint8_t> out_labels;    ///< [N,D,H,W], overwritten
};

VOX_KERNEL(augment_samples, AugmentArgs);

}  // namespace vox
