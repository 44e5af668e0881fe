#pragma once

#include <filesystem>
#include <span>

#include "engine/json.h"

namespace vox {

/// What prepared cases hold: [{"id", "set", "size": [D,H,W], "spacing_mm": [D,H,W] on the network's grid, "labelled",
/// "ml": {"necrotic", "oedema", "enhancing", "whole tumour"}}], by reading every label once.
[[nodiscard]] Json label_volumes(std::span<const std::filesystem::path> files, std::string_view set, int threads);

}  // namespace vox
