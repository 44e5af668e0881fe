#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "data/image.h"

namespace vox {

/// A mask [D,H,W] grown `steps` times by the 18 neighbours that share a face or an edge, within its volume: what
/// scipy.ndimage.binary_dilation makes of generate_binary_structure(3, 2). Anything but 0 is inside; the result is 0
/// and 1. Rows are words of 64 voxels: a step costs about ten operations for each word.
[[nodiscard]] std::vector<std::uint8_t> dilated(std::span<const std::uint8_t> mask, const Extent3& size, int steps);

}  // namespace vox
