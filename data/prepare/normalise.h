#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "data/prepare/resample.h"

namespace vox {

/// Scales to [0,1] in place as scikit-learn's MinMaxScaler does one column: y = x * s + (0 - min * s) in double with
/// s = 1 / (max - min), or s = 1 where max - min < 10 epsilon, so that a constant becomes 0. Stored as float.
void scale_to_unit(std::span<float> values);

/// 1 where any of the images is not 0: the brain, once the skull is stripped.
[[nodiscard]] LargeVector<std::uint8_t> brain_mask(std::span<const std::span<const float>> images);

/// (x - mean) / deviation in place where mask is 1, and 0 elsewhere; mean and deviation (of the whole, not of a sample)
/// are those inside the mask, in double. A constant becomes 0.
void standardise(std::span<float> values, std::span<const std::uint8_t> mask);

/// The smallest box that holds every voxel that is not 0; size 0 where there is none.
[[nodiscard]] Box bounding_box(std::span<const std::uint8_t> mask, const Extent3& size);

}  // namespace vox
