#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "data/check.h"
#include "data/volume.h"

namespace vox {

/// A reader's message, which begins with the name of the file, for a finding, which has the name beside it.
[[nodiscard]] std::string without_name(std::string message, const std::filesystem::path& file);

/// The findings about a label file that could be read. brain: not zero where any image is, or empty when no image is on
/// the labels' grid. convention receives what was chosen, where the labels are usable.
[[nodiscard]] std::vector<Finding> check_labels(const Image& labels, std::span<const std::uint8_t> brain,
                                                const std::filesystem::path& file,
                                                std::optional<LabelConvention>& convention);

}  // namespace vox
