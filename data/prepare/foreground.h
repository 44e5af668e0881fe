#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "data/cases/label_convention.h"

namespace vox {

/// Most positions that a prepared case keeps of a class: nnU-Net's number.
inline constexpr std::size_t kMostPositions = 10'000;

/// Where voxels of classes 1, 2 and 3 lie in a label, as indices into it, ascending: all of a class, or a sample
/// without replacement of kMostPositions, a function of the label alone. nnU-Net's class_locations: a patch with tumour
/// is found without a scan.
[[nodiscard]] std::array<std::vector<std::int64_t>, kClasses - 1> foreground_positions(
    std::span<const std::uint8_t> label);

}  // namespace vox
