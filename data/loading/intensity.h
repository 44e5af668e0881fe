#pragma once

#include <cstdint>
#include <span>

#include "data/image.h"

namespace vox {

// Changes of one channel's intensities, as batchgeneratorsv2 has them, every voxel alike.

/// x * factor
void change_brightness(std::span<float> channel, float factor);

/// (x - mean) * factor + mean, clamped to the channel's old least and greatest value.
void change_contrast(std::span<float> channel, float factor);

enum class GammaOf : std::uint8_t { image, negated };
/// y = ((x - min)/max(range, 1e-7))^gamma * range + min of the channel, or of its negative; then (y - mean(y)) *
/// deviation(x)/max(deviation(y), 1e-7) + mean(x), and negated back. Deviations are those of a sample, over n - 1; of
/// one voxel 0.
void change_gamma(std::span<float> channel, float gamma, GammaOf);

}  // namespace vox
