#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "data/image.h"
#include "engine/json.h"

namespace vox {

/// A case to look at, of one grid [D,H,W] in canonical order (data/image.h).
struct ShownCase {
  std::string id;
  std::string title;
  std::vector<std::string> facts;  ///< lines below the title
  Extent3 size{};
  std::array<double, 3> spacing_mm{1, 1, 1};
  std::span<const float> image;              ///< none: black
  std::span<const std::uint8_t> truth;       ///< classes 0..3; none: not shown
  std::span<const std::uint8_t> prediction;  ///< classes 0..3; none: not shown
};

/// Voxels of a case on a page: what is not empty of it is brought to no more.
inline constexpr std::int64_t kMostShownVoxels = 1'500'000;

/// A case of a report's page (tools/report/slices.js): what is not empty, made smaller by linear interpolation (labels:
/// the nearest voxel) where it has more voxels than that, as two PNGs with all slices side by side. The last of its
/// facts says on which grid.
[[nodiscard]] Json case_picture(const ShownCase&, std::int64_t most_voxels = kMostShownVoxels);

/// The classes' names and colours for a section of cases.
[[nodiscard]] Json shown_classes();

struct RankedCase {
  std::string role;  ///< "worst", "median", "best"; "only" where there is one
  std::size_t index = 0;
};
/// Of scores, larger is better: the least, the median and the largest; fewer of them where there are fewer. NaN counts
/// as the worst. Of equals the first.
[[nodiscard]] std::vector<RankedCase> worst_median_best(std::span<const double> scores);

}  // namespace vox
