#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <vector>

#include "data/check/check.h"
#include "data/image.h"

namespace vox {

/// The findings about a label file that could be read. brain: not zero where any image is, or empty when no image is on
/// the labels' grid. convention receives what was chosen, where the labels are usable.
[[nodiscard]] std::vector<Finding> check_labels(const Image& labels, std::span<const std::uint8_t> brain,
                                                const CaseFiles&, const LabelRules&,
                                                std::optional<LabelConvention>& convention);

}  // namespace vox
