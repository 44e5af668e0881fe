#include "data/scoring/surface_distances.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "data/scoring/nearest.h"
#include "kernels/base/check.h"

namespace vox {

SurfaceDistances surface_distances(const MaskPair& masks, int threads) {
  if (masks.size[0] == 0) { return {}; }
  const std::vector<std::uint8_t> truth = surface_voxels(masks.truth, masks.size);
  const std::vector<std::uint8_t> predicted = surface_voxels(masks.predicted, masks.size);
  SurfaceDistances distances;
  distances.from_truth = NearestPoint(predicted, masks.size, masks.spacing_mm).distances_mm(truth, threads);
  distances.from_predicted = NearestPoint(truth, masks.size, masks.spacing_mm).distances_mm(predicted, threads);
  return distances;
}

double percentile(std::vector<double> values, double percent) {
  VOX_CHECK(!values.empty(), "percentile: no values");
  const double rank = percent / 100.0 * static_cast<double>(values.size() - 1);
  const auto below = static_cast<std::ptrdiff_t>(std::floor(rank));
  const auto low = values.begin() + below;
  std::nth_element(values.begin(), low, values.end());
  const double fraction = rank - static_cast<double>(below);
  if (low + 1 == values.end()) { return *low; }
  return *low + (*std::min_element(low + 1, values.end()) - *low) * fraction;
}

double hd95_pooled_mm(const SurfaceDistances& d) {
  std::vector<double> both = d.from_truth;
  both.insert(both.end(), d.from_predicted.begin(), d.from_predicted.end());
  return percentile(std::move(both), 95.0);
}

double hd95_larger_mm(const SurfaceDistances& d) {
  return std::max(percentile(d.from_truth, 95.0), percentile(d.from_predicted, 95.0));
}

double average_distance_mm(const SurfaceDistances& d) {
  const double sum = std::accumulate(d.from_truth.begin(), d.from_truth.end(), 0.0) +
                     std::accumulate(d.from_predicted.begin(), d.from_predicted.end(), 0.0);
  VOX_CHECK(d.from_truth.size() + d.from_predicted.size() > 0, "average_distance_mm: both masks are empty");
  return sum / static_cast<double>(d.from_truth.size() + d.from_predicted.size());
}

double surface_dice(const SurfaceDistances& d, double tolerance_mm) {
  const auto all = static_cast<double>(d.from_truth.size() + d.from_predicted.size());
  VOX_CHECK(all > 0, "surface_dice: both masks are empty");
  const auto near = [&](double mm) { return mm <= tolerance_mm; };
  return static_cast<double>(std::ranges::count_if(d.from_truth, near) +
                             std::ranges::count_if(d.from_predicted, near)) /
         all;
}

}  // namespace vox
