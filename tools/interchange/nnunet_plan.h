#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "data/cases/label_convention.h"
#include "data/cases/recipe.h"
#include "engine/safetensors.h"
#include "model/extents.h"
#include "model/unet3d.h"

namespace vox {

/// What plans.json and dataset.json of nnU-Net v2 say of a network that ours can be.
struct NnunetPlan {
  UNetConfig config;
  Recipe recipe;
  Extents patch{};                    ///< voxels along D, H, W
  std::vector<std::int64_t> head_of;  ///< channel k of our head is this one of theirs
};

struct NnunetFiles {
  std::filesystem::path plans;
  std::filesystem::path dataset;
  std::string configuration = "3d_fullres";
  /// What the numbers in dataset.json stand for: nnU-Net's converters of BraTS write those of msd.
  LabelConvention labels = LabelConvention::msd;
  std::vector<Modality> modalities;  ///< empty: by the channels' names
};

/// Both ways in which versions of nnU-Net write an architecture are read. Throws DataError that names the file, the
/// field, what was found and what is wanted, for what our network, preparation or decision cannot be: other kernels or
/// strides, residual encoders, another normalisation, labels that are not BraTS'.
[[nodiscard]] NnunetPlan read_nnunet_plan(const NnunetFiles&);

/// Gives the plan's network the weights of nnU-Net's state dict, as dynamic_network_architectures' PlainConvUNet names
/// them; names that mean the same tensor twice (all_modules, decoder.encoder) count once. nnU-Net's deepest head, whose
/// loss weighs 0, is left out. Throws as take_all_weights().
void take_nnunet_weights(UNet3d&, const NnunetPlan&, const std::filesystem::path&, const SafetensorsFile&);

}  // namespace vox
