#pragma once

#include <cstdint>
#include <span>

#include "data/image.h"
#include "kernels/base/augmentation.h"

namespace vox {

/// The part of an augmentation that moves voxels: flips and shift are copies of rows; a rotation interpolates. Shapes
/// and formula as in augment().
void warp(std::span<const float> image, std::span<const std::uint8_t> label, const Extent3& size, const Movement&,
          std::span<float> out_image, std::span<std::uint8_t> out_label);

}  // namespace vox
