#pragma once

#include <cmath>

#include "data/scoring/scored_case.h"

namespace vox {

// What a region that was missed, or found where there is none, is given for a distance. Each edition has its own.

/// BraTS 2017 to 2022: the diagonal of their grid of 240 x 240 x 155 mm, sqrt(240^2 + 240^2 + 155^2).
inline constexpr double kHd95PenaltyMm = 373.1286641361127;
/// BraTS 2023 to 2025, where no other is named: the same diagonal, rounded up.
inline constexpr double kHd95Penalty2023Mm = 374;
/// GLI of 2024 and 2025: about the diagonal of 182 x 218 x 182 mm.
inline constexpr double kHd95PenaltyPostTreatmentMm = 337;
/// BraTS 2026.
inline constexpr double kHd95Penalty2026Mm = 373;
/// The diagonal of the image itself, in voxels: MEN-RT of 2024 and 2025, MET of 2025.
[[nodiscard]] inline double diagonal_voxels(const Extent3& size) {
  double squares = 0;
  for (const std::int64_t n : size) { squares += static_cast<double>(n * n); }
  return std::sqrt(squares);
}

/// The robust Hausdorff distance by the rules of BraTS 2020: hd95_pooled_mm(); both empty 0, one empty the penalty.
[[nodiscard]] double hd95_mm(ScoredCase&, const ScoredRegion&);

}  // namespace vox
