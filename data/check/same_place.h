#pragma once

#include <algorithm>
#include <string>

#include "data/image.h"

namespace vox {

// When two volumes lie in the same place: the one definition, for check, prepare, predict, evaluate and overlay.
//
// They have the same extents, and no corner of the one lies further from that corner of the other than
// place_tolerance_mm(). Headers of one scan differ by what tools round: directions to float32 or to a few digits,
// origins to 1e-3 mm; real ones differ by 0.05 mm at the far corner. A shift that moves a score is much more.

inline constexpr double kMostShiftMm = 0.1;        ///< whatever the voxels
inline constexpr double kMostShiftOfVoxel = 0.25;  ///< of the shortest edge, where that is less

[[nodiscard]] inline double place_tolerance_mm(const Geometry& g) {
  return std::min(kMostShiftMm, kMostShiftOfVoxel * std::ranges::min(g.spacing_mm));
}
/// How far apart two grids of one size put the same voxel, at most: at a corner, because affines are linear.
[[nodiscard]] double grid_distance_mm(const Geometry&, const Geometry&);
[[nodiscard]] bool same_place(const Geometry&, const Geometry&);
/// Throws DataError, naming both files and what differs.
void check_same_place(const std::string& file, const Geometry&, const std::string& other, const Geometry&);

}  // namespace vox
