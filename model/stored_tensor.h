#pragma once

#include <filesystem>
#include <string>

#include "engine/safetensors.h"
#include "engine/tensor.h"

namespace vox {

/// A tensor of a file as one like `like`, on the CPU; f32 and f64 are converted. Throws DataError where the file has
/// none of the name, or one of another shape or type, or a variance below 0 ("….running_var", "adam.v.…"), and
/// NonFiniteError for a number that is not finite, or not in the type that is wanted: all that no training leaves
/// behind and that would give a picture which looks like a result.
[[nodiscard]] Tensor stored_tensor(const SafetensorsFile&, const std::filesystem::path&, const std::string& name,
                                   const Tensor& like);

/// "f32 4x16x1x1x1"
[[nodiscard]] std::string text_of(const TensorInFile&);

}  // namespace vox
