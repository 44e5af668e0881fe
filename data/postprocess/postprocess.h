#pragma once

#include <array>
#include <filesystem>
#include <string>

#include "data/image.h"
#include "data/scoring/components.h"
#include "data/scoring/metrics.h"

namespace vox {

/// What is done to a segmentation after the network. Nothing by default. By region, in the order of Region.
///
/// In this order, and within each for WT, TC and ET:
///   1. keep_largest: of the region's components only the largest stays, of equal ones the first.
///   2. min_component_mm3: components smaller than this go.
///   3. min_enhancing_mm3: an enhancing tumour that is smaller than this in all becomes necrotic: a few enhancing
///   voxels
///      where there are none cost BraTS' full penalty (the BraTS 2020 winner: fewer than 200).
///   4. fill_holes: what the region encloses becomes part of it.
/// A voxel that leaves WT is background, TC oedema, ET necrotic; one that joins is oedema, necrotic, enhancing.
struct PostprocessRules {
  Connectivity connectivity = Connectivity::corners;  ///< of components; holes are connected by faces
  std::array<bool, kRegions.size()> keep_largest{};
  std::array<double, kRegions.size()> min_component_mm3{};
  double min_enhancing_mm3 = 0;
  std::array<bool, kRegions.size()> fill_holes{};
  friend bool operator==(const PostprocessRules&, const PostprocessRules&) = default;
};

/// Applies the rules to classes 0..3, in place. Returns how many voxels changed.
std::int64_t postprocess(LabelMap& classes, const PostprocessRules&);

/// {"connectivity": 26, "keep_largest": {"WT": true}, "min_component_mm3": {"ET": 50}, "min_enhancing_mm3": 200,
/// "fill_holes": {"TC": true}}, what is nothing left out.
[[nodiscard]] std::string to_json(const PostprocessRules&);
/// Reads the same; an object "tuned", which `voxgrad tune` adds, is not looked at. Throws DataError naming the file for
/// another key, region or kind of value, a size that is negative or not finite, and a connectivity that is not 6, 18 or
/// 26.
[[nodiscard]] PostprocessRules read_postprocess_rules(const std::filesystem::path&);

}  // namespace vox
