#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "data/image.h"

namespace vox {

/// Which of a voxel's 26 neighbours it is connected to: those that share a face (6), or an edge as well (18), or a
/// corner (26).
enum class Connectivity : std::uint8_t { faces, edges, corners };

/// The connected components of a mask, numbered from 1 in the order of their first voxels.
struct Components {
  std::vector<std::int32_t> of_voxel;  ///< [D,H,W]; 0 outside the mask
  std::vector<std::int64_t> voxels;    ///< of component i + 1
};

/// mask [D,H,W] of size: 0 outside, anything else inside. Union-find with path halving over the runs of voxels in a
/// row, then a second pass that numbers (A. Rosenfeld, J. Pfaltz, "Sequential operations in digital picture
/// processing", JACM 1966).
[[nodiscard]] Components connected_components(std::span<const std::uint8_t> mask, const Extent3& size, Connectivity);

}  // namespace vox
