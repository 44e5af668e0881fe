#pragma once

#include <string>
#include <string_view>

#include "tools/interchange/keras_weights.h"

namespace vox {

// A KerasModel between two processes of this program on one machine. Who made the bytes is not trusted.

[[nodiscard]] std::string to_bytes(const KerasModel&);
/// Throws DataError, which begins with `what`, for bytes that are no model.
[[nodiscard]] KerasModel keras_of_bytes(std::string_view bytes, const std::string& what);

}  // namespace vox
