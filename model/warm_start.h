#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "model/unet3d.h"

namespace vox {

/// What a network took over of a file of weights.
struct WarmStart {
  struct Left {
    std::string name;
    std::string found;   ///< "f32 4x16x1x1x1", or "nothing"
    std::string wanted;  ///< "3x16x1x1x1"
  };
  std::vector<std::string> taken;
  std::vector<Left> left;  ///< of the network: as they were initialised
};

/// Gives a network the weights and running statistics of a safetensors file, ours or another's, that have its names and
/// shapes and hold f32 or f64. The others, a head of other classes or a first layer of other modalities, stay as they
/// are. Throws DataError where none fits, and as stored_tensor() for values that are not sound; nothing has changed
/// then.
[[nodiscard]] WarmStart warm_start(UNet3d&, const std::filesystem::path&);

}  // namespace vox
