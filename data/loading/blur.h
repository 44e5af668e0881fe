#pragma once

#include <array>
#include <span>
#include <vector>

#include "data/image.h"

namespace vox {

/// The weights of a Gaussian over 2 r + 1 voxels, exp(-i^2/(2 sigma^2)) over their sum, for i = -r..r: as many as
/// batchgeneratorsv2 takes, the odd number nearest to 6 sigma + 1/2 (of two the larger).
[[nodiscard]] std::vector<float> blur_weights(double sigma);

/// Blurs one channel [D,H,W] along its axes in turn, D first, by blur_weights(sigma[axis]); beyond an end the channel
/// goes on as its mirror image about the last voxel. scratch: is made as large as the channel.
void blur(std::span<float> channel, const Extent3& size, const std::array<float, 3>& sigma,
          std::vector<float>& scratch);

}  // namespace vox
