#pragma once

#include <string>
#include <string_view>

namespace vox {

/// A step of nnU-Net's augmentation: how often it happens, and how strongly.
struct AugmentStep {
  double low = 0;
  double high = 0;                 ///< its magnitude is drawn from [low, high]
  double probability = 0;          ///< that it happens to a sample
  double channel_probability = 1;  ///< and then to each of its channels
};

/// nnU-Net v2's training transforms (nnUNetTrainer.get_training_transforms of 2.8.1) in their order but for mirror,
/// which is part of the one spatial transform here; steps on intensities act on every voxel, brain or not, and
/// what is outside the brain is made 0 again at the end (data/loading/nnunet_augment.h). Magnitudes of a split range
/// are below 1 and above it equally often.
struct NnunetOptions {
  AugmentStep rotate{.low = -30, .high = 30, .probability = 0.2};  ///< degrees, about each axis
  AugmentStep scale{.low = 0.7, .high = 1.4, .probability = 0.2};  ///< one factor for all axes; above 1 objects shrink
  AugmentStep elastic{.low = 0, .high = 6, .probability = 0};      ///< voxels (data/loading/elastic_field.h)
  AugmentStep mirror{.probability = 0.5};                          ///< each axis
  AugmentStep noise{.low = 0, .high = 0.1, .probability = 0.1};    ///< standard deviation, one for all channels
  AugmentStep blur{
      .low = 0.5, .high = 1, .probability = 0.2, .channel_probability = 0.5};  ///< sigma in voxels, by axis
  AugmentStep brightness{.low = 0.75, .high = 1.25, .probability = 0.15};      ///< factor, split range
  AugmentStep contrast{.low = 0.75, .high = 1.25, .probability = 0.15};        ///< factor about the mean, split range
  AugmentStep lowres{.low = 0.5, .high = 1, .probability = 0.25, .channel_probability = 0.5};  ///< of the extents
  AugmentStep gamma_negated{.low = 0.7, .high = 1.5, .probability = 0.1};  ///< exponent, split range
  AugmentStep gamma{.low = 0.7, .high = 1.5, .probability = 0.3};          ///< likewise
};

/// Settings joined by ',', each "STEP=RANGE@P/Q" or part of it: RANGE is "LOW..HIGH", or one number: of rotate +-it,
/// of elastic and noise 0 to it, of others it alone; P the probability of a sample and Q, of blur and lowres, that of
/// each channel; "STEP=off" is P 0. What is not named stays as it is usually. Throws Error naming what is wrong.
[[nodiscard]] NnunetOptions nnunet_options(std::string_view settings);
/// Throws Error naming a step whose range or probability makes no sense.
void check_nnunet(const NnunetOptions&);
/// Every step that may happen, and which usual ones may not, as nnunet_options() takes it.
[[nodiscard]] std::string nnunet_text(const NnunetOptions&);

}  // namespace vox
