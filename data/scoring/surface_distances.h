#pragma once

#include <array>
#include <vector>

#include "data/scoring/masks.h"

namespace vox {

/// The distances in mm of every surface voxel of one mask to the nearest surface voxel of the other, centre to centre.
/// A surface voxel is one with a face neighbour outside (6 neighbours), and counts as one however large its surface is:
/// medpy, nnU-Net v1, MONAI, panoptica. A list is empty where its mask is, and then the other's distances are infinite.
struct SurfaceDistances {
  std::vector<double> from_truth;
  std::vector<double> from_predicted;
};
/// The same bits for any number of threads.
[[nodiscard]] SurfaceDistances surface_distances(const MaskPair&, int threads);

// Of these, where no list is empty; of what an empty mask scores each convention has a rule of its own.

/// The 95th percentile of both lists together (medpy.metric.binary.hd95, nnU-Net v1, panoptica).
[[nodiscard]] double hd95_pooled_mm(const SurfaceDistances&);
/// The larger one of the 95th percentiles of each (MONAI's HausdorffDistanceMetric(percentile=95)).
[[nodiscard]] double hd95_larger_mm(const SurfaceDistances&);
/// The average symmetric surface distance: the mean over both lists together (medpy.metric.binary.assd).
[[nodiscard]] double average_distance_mm(const SurfaceDistances&);
/// Normalised surface Dice at a tolerance: the share of both lists that is at most so far away (MONAI's
/// SurfaceDiceMetric; S. Nikolov et al., arXiv 1809.04430, without the weights). One list empty: 0. nnU-Net v1 and
/// panoptica average the shares of the two lists instead: data/scoring/lesions.cpp.
[[nodiscard]] double surface_dice(const SurfaceDistances&, double tolerance_mm);

/// A piece of a mask's surface: which corner of the voxel grid it belongs to follows from the eight voxels around that
/// corner, its area from which of them are inside (marching cubes).
struct Surfel {
  double distance_mm = 0;  ///< of its corner to the nearest corner with a piece of the other's surface
  double area_mm2 = 0;
};
/// As DeepMind's surface-distance has it, which BraTS uses since 2023: S. Nikolov et al., arXiv 1809.04430. A list is
/// empty where its mask is, and then the other's distances are infinite.
struct SurfelDistances {
  std::vector<Surfel> from_truth;  ///< sorted by distance, then area
  std::vector<Surfel> from_predicted;
};
[[nodiscard]] SurfelDistances surfel_distances(const MaskPair&, int threads);

/// In each list the first distance up to which lies 95 % of the area; the larger one of the two. Infinite where one
/// list is empty.
[[nodiscard]] double hd95_surfel_mm(const SurfelDistances&);
/// The share of the area of both that is at most so far away. One list empty: 0.
[[nodiscard]] double surface_dice(const SurfelDistances&, double tolerance_mm);

/// The area in mm^2 of a piece by which of the eight voxels around its corner are inside: bit 7 is the one at the lower
/// end of D, H and W, bit 6 the next along W, bit 5 along H, bit 3 along D. It is the same for mirrored, turned and
/// inverted codes.
[[nodiscard]] std::array<double, 256> surfel_areas_mm2(const std::array<double, 3>& spacing_mm);

/// Linear interpolation between the closest ranks, as numpy.percentile. Not of an empty list.
[[nodiscard]] double percentile(std::vector<double> values, double percent);

}  // namespace vox
