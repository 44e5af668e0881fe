#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "engine/safetensors.h"
#include "model/unet3d.h"

namespace vox {

/// A tensor of a network, and what a file may call it: the first of the names that the file has counts.
struct OtherNames {
  std::string ours;
  std::vector<std::string> theirs;
};

/// Gives a network the weights and running statistics of a safetensors file with the names of another program: all of
/// them, and the file has no others but those that ignored() is true for. Throws DataError that counts and names what
/// is missing, of another shape or type, and unexpected; NonFiniteError and DataError as stored_tensor() for values
/// that are not sound. Nothing has changed then.
void take_all_weights(UNet3d&, const std::filesystem::path&, const SafetensorsFile&, const std::vector<OtherNames>&,
                      const std::function<bool(const std::string&)>& ignored);

/// What stands before `name` in the shortest tensor's name that ends so: "module." of "module.encoder.0.conv1.weight",
/// as DistributedDataParallel and torch.compile leave it. Empty where none does.
[[nodiscard]] std::string prefix_before(const SafetensorsFile&, const std::string& name);

/// A safetensors file. Throws DataError for PyTorch's own files (.pt, .pth, .bin), which are pickles, with the line of
/// Python that converts one; expression: what of the loaded object are the weights, "w" or "w['network_weights']".
[[nodiscard]] SafetensorsFile open_weights(const std::filesystem::path&, const std::string& expression);

/// Of PyTorch's module of our network (tests/golden/pytorch_reference.py): the names are ours, with a prefix or
/// without. What a checkpoint of ours holds beside weights is ignored.
void take_torch_weights(UNet3d&, const std::filesystem::path&, const SafetensorsFile&);

}  // namespace vox
