#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "data/image.h"
#include "data/loading/augment.h"
#include "data/loading/composed_transform.h"
#include "data/loading/nnunet_options.h"
#include "kernels/base/philox.h"

namespace vox {

/// What happens to a channel; what is as it is here does not happen.
struct ChannelChange {
  std::array<float, 3> blur_sigma{};  ///< voxels along D, H, W
  float brightness = 1;
  float contrast = 1;
  double resolution = 1;  ///< share of the extents that is left
  float gamma_negated = 1;
  float gamma = 1;
};

/// What was drawn for a sample.
struct NnunetAugmentation {
  SpatialChange spatial{};
  float noise_sigma = 0;          ///< value i of [C,D,H,W] gets this times normal number i % 4 of Philox group
  std::uint64_t noise_group = 0;  ///< noise_group + i / 4 of the key `noise` (kernels/base/normal.h)
  RandomKey noise{};
  std::vector<ChannelChange> channels{};
};

/// A function of options, key and number of channels alone.
[[nodiscard]] NnunetAugmentation draw_nnunet(const NnunetOptions&, const SampleKey&, std::size_t channels);

/// The most voxels of a case that a patch of `size` is made of (box_needed()), whatever is drawn.
[[nodiscard]] std::int64_t most_voxels_needed(const Extent3& size, const NnunetOptions&, const Extent3& case_size);

// A mark is what a voxel is while it is moved: 0 outside the brain, where nnU-Net has label -1, else its class + 1.

/// Outside is what is 0 in every channel and class 0. image [C,voxels], label [voxels], overwritten by marks.
void mark_outside(std::span<const float> image, std::span<std::uint8_t> label);
/// Marks become classes again, and voxels outside 0 in every channel.
void clear_outside(std::span<float> image, std::span<std::uint8_t> marks);

/// Noise, blur, brightness, contrast, low resolution, gamma of the negative and gamma, in this order, on all voxels of
/// image [C,D,H,W]. scratch: for one channel.
void change_intensities(const NnunetAugmentation&, const Extent3& size, std::span<float> image,
                        std::vector<float>& scratch);

}  // namespace vox
