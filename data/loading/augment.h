#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "data/image.h"
#include "data/loading/nnunet_options.h"
#include "kernels/base/augmentation.h"

namespace vox {

/// Probabilities are per sample (flip: per axis). Shapes move first, image and label together; then intensities change.
struct AugmentOptions {
  double flip_probability = 0.5;
  double rotate_probability = 0.3;
  double rotate_degrees = 15;  ///< each of three angles is uniform in +-this
  double shift_probability = 0.3;
  std::int64_t shift_voxels = 8;     ///< along each axis uniform in +-this, zeros move in
  double intensity_probability = 1;  ///< every sample, as in MONAI's BraTS recipe
  double intensity_scale = 0.1;      ///< per channel: x * (1 + this * normal) + intensity_shift * normal,
  double intensity_shift = 0.1;      ///< inside the brain, that is, where x is not 0
  double noise_probability = 0.2;
  double noise_sigma = 0.1;  ///< standard deviation uniform in [0, this], inside the brain
  /// nnU-Net's steps instead of all of the above, by the loader's threads alone (data/loading/nnunet_augment.h).
  std::optional<NnunetOptions> nnunet = {};

  [[nodiscard]] static AugmentOptions none();
};

/// "rot,flip,shift,intensity,noise", any of them; "none" or nothing; "all"; "nnunet", alone or before settings as
/// nnunet_options() takes them, "nnunet,rotate=15@0.3,scale=0.8..1.25". Throws Error for anything else.
[[nodiscard]] AugmentOptions augment_named(std::string_view list);
/// The steps of nnU-Net that may happen, with probabilities and ranges, in full; of other choices the list as it is.
[[nodiscard]] std::string augment_text(std::string_view list);
/// Throws Error unless probabilities lie in [0,1] and magnitudes are finite and not negative, and nothing else is on
/// beside nnU-Net's steps.
void check_augment(const AugmentOptions&);
/// Is there a sample that something may happen to?
[[nodiscard]] bool changes_samples(const AugmentOptions&);

/// Which sample draws: its numbers depend on nothing else.
struct SampleKey {
  std::uint64_t seed = 0;
  std::uint32_t epoch = 0;
  std::uint32_t position = 0;  ///< in the order of the epoch
};

/// What happens to a sample of so many channels; of nnU-Net's steps nothing.
[[nodiscard]] Augmentation draw_augmentation(const AugmentOptions&, const SampleKey&, std::size_t channels);

/// Does it leave every value as it is?
[[nodiscard]] bool does_nothing(const Augmentation&);

/// Does to a sample what was drawn for it: formula in kernels/base/augmentation.h. The rotation is one of voxels,
/// whatever their spacing. image, out_image [C,D,H,W]; label, out_label [D,H,W] of size.
void augment(std::span<const float> image, std::span<const std::uint8_t> label, const Extent3& size,
             const Augmentation&, std::span<float> out_image, std::span<std::uint8_t> out_label);

}  // namespace vox
