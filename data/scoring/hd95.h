#pragma once

#include <cstdint>
#include <vector>

#include "data/image.h"
#include "data/scoring/metrics.h"

namespace vox {

/// What BraTS 2020 gives a region that was missed, or found where there is none: the diagonal of its 240 x 240 x 155 mm
/// grid, sqrt(240^2 + 240^2 + 155^2).
inline constexpr double kHd95PenaltyMm = 373.1286641361127;

/// The robust Hausdorff distance, "pooled" as in medpy and nnU-Net: the 95th percentile over the distances of every
/// surface voxel of one mask to the nearest surface voxel of the other, both directions in one list. Other tools take
/// the larger of the two directed percentiles (MONAI) or weight by surface area (DeepMind): other numbers.
/// Masks: 0 outside, anything else inside; same size; spacing is the truth's. Both empty: 0. One empty: the penalty.
[[nodiscard]] double hd95_mm(const LabelMap& truth, const LabelMap& predicted, int threads);

/// 1 inside the region, 0 elsewhere.
[[nodiscard]] LabelMap region_mask(const LabelMap& classes, Region);

/// Mask voxels with a face neighbour outside the mask; beyond the volume is outside.
[[nodiscard]] LabelMap surface(const LabelMap& mask);

/// Squared distance in mm^2 from every voxel's centre to the nearest centre inside the mask, exact; infinite everywhere
/// for an empty mask. Separable: lower envelopes of parabolas (Felzenszwalb and Huttenlocher, Theory of Computing
/// 2012).
[[nodiscard]] std::vector<double> squared_distance_mm2(const LabelMap& mask, int threads);

/// Linear interpolation between the closest ranks, as numpy.percentile. Not of an empty list.
[[nodiscard]] double percentile(std::vector<double> values, double percent);

}  // namespace vox
