#include "tools/ui/overlay_planes.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <vector>

#include "data/scoring/hd95.h"
#include "kernels/base/check.h"

namespace vox {
namespace {

constexpr double kMarginMm = 12;  // around what is shown: room for the marks

}  // namespace

bool has_tumour(const LabelMap& classes) {
  return std::any_of(classes.values.begin(), classes.values.end(), [](std::uint8_t v) { return v != 0; });
}

Slices slices_with_most(const LabelMap& classes) {
  const auto size = classes.geometry.size;
  std::array<std::vector<std::int64_t>, 3> count;
  for (std::size_t k = 0; k < 3; ++k) { count[k].resize(static_cast<std::size_t>(size[k])); }
  for (std::size_t i = 0; i < classes.values.size(); ++i) {
    if (classes.values[i] == 0) { continue; }
    const auto at = static_cast<std::int64_t>(i);
    ++count[0][static_cast<std::size_t>(at / (size[1] * size[2]))];
    ++count[1][static_cast<std::size_t>(at / size[2] % size[1])];
    ++count[2][static_cast<std::size_t>(at % size[2])];
  }
  Slices slices{};
  for (std::size_t k = 0; k < 3; ++k) {
    const auto most = std::max_element(count[k].begin(), count[k].end());
    slices[k] = *most > 0 ? most - count[k].begin() : size[k] / 2;
  }
  return slices;
}

std::int64_t slice_to_show(std::span<const std::uint8_t> label, const Extent3& size) {
  const auto plane = static_cast<std::size_t>(size[1] * size[2]);
  std::int64_t best = size[0] / 2;
  std::ptrdiff_t most = 0;
  for (std::int64_t d = 0; d < size[0]; ++d) {
    const auto slice = label.subspan(static_cast<std::size_t>(d) * plane, plane);
    const auto count = std::ranges::count_if(slice, [](std::uint8_t k) { return k != 0; });
    if (count > most) {
      most = count;
      best = d;
    }
  }
  return best;
}

Window window_of(std::span<const float> image) {
  std::vector<double> values;
  std::ranges::copy_if(image, std::back_inserter(values), [](float v) { return v != 0; });
  if (values.empty()) { return {}; }
  return {.black = percentile(values, 1), .white = percentile(values, 99)};
}

Extent extent_of(const Image& image, const LabelMap& prediction, const LabelMap* truth, const Slices& slices) {
  const Geometry& g = image.geometry;
  Extent e{.low = slices, .high = slices};
  for (std::int64_t i = 0; i < g.voxels(); ++i) {
    const auto v = static_cast<std::size_t>(i);
    const bool shown = image.values[v] != 0 || prediction.values[v] != 0 || (truth != nullptr && truth->values[v] != 0);
    if (!shown) { continue; }
    const Slices at{i / (g.size[1] * g.size[2]), i / g.size[2] % g.size[1], i % g.size[2]};
    for (std::size_t k = 0; k < 3; ++k) {
      e.low[k] = std::min(e.low[k], at[k]);
      e.high[k] = std::max(e.high[k], at[k]);
    }
  }
  for (std::size_t k = 0; k < 3; ++k) {
    const auto margin = static_cast<std::int64_t>(std::lround(kMarginMm / g.spacing_mm[k]));
    e.low[k] = std::max<std::int64_t>(e.low[k] - margin, 0);
    e.high[k] = std::min(e.high[k] + 1 + margin, g.size[k]);
  }
  return e;
}

Plane plane_of(const Geometry& g, View view, const Slices& at, const Extent& e) {
  const std::int64_t depth = e.high[0] - e.low[0];
  const std::int64_t height = e.high[1] - e.low[1];
  const std::int64_t width = e.high[2] - e.low[2];
  const std::int64_t top = e.high[0] - 1;
  switch (view) {
    case View::axial:  // rows run from anterior to posterior, as H does; columns from right to left, as W does
      return {.width = width,
              .height = height,
              .pixel_width_mm = g.spacing_mm[2],
              .pixel_height_mm = g.spacing_mm[1],
              .marks = {"R", "L", "A", "P"},
              .origin = {at[0], e.low[1], e.low[2]},
              .right = {0, 0, 1},
              .down = {0, 1, 0}};
    case View::coronal:
      return {.width = width,
              .height = depth,
              .pixel_width_mm = g.spacing_mm[2],
              .pixel_height_mm = g.spacing_mm[0],
              .marks = {"R", "L", "S", "I"},
              .origin = {top, at[1], e.low[2]},
              .right = {0, 0, 1},
              .down = {-1, 0, 0}};
    case View::sagittal:
      return {.width = height,
              .height = depth,
              .pixel_width_mm = g.spacing_mm[1],
              .pixel_height_mm = g.spacing_mm[0],
              .marks = {"A", "P", "S", "I"},
              .origin = {top, e.low[1], at[2]},
              .right = {0, 1, 0},
              .down = {-1, 0, 0}};
  }
  VOX_FAIL("plane_of: unknown view");
}

}  // namespace vox
