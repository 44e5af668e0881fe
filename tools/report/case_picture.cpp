#include "tools/report/case_picture.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "data/prepare/resample.h"
#include "tools/report/data_uri.h"
#include "tools/ui/overlay_planes.h"
#include "tools/ui/picture.h"
#include "tools/ui/png.h"

namespace vox {
namespace {

/// What is not 0 in any of the volumes; all of it where nothing is.
Box shown_box(const ShownCase& c) {
  Extent3 low = c.size;
  Extent3 high{-1, -1, -1};
  std::size_t i = 0;
  const auto some = [&](std::size_t v) {
    return (!c.image.empty() && c.image[v] != 0) || (!c.truth.empty() && c.truth[v] != 0) ||
           (!c.prediction.empty() && c.prediction[v] != 0);
  };
  for (std::int64_t d = 0; d < c.size[0]; ++d) {
    for (std::int64_t h = 0; h < c.size[1]; ++h) {
      for (std::int64_t w = 0; w < c.size[2]; ++w) {
        if (!some(i++)) { continue; }
        const Extent3 at{d, h, w};
        for (std::size_t k = 0; k < 3; ++k) {
          low[k] = std::min(low[k], at[k]);
          high[k] = std::max(high[k], at[k]);
        }
      }
    }
  }
  if (high[0] < 0) { return {.start = {}, .size = c.size}; }
  return {.start = low, .size = {high[0] - low[0] + 1, high[1] - low[1] + 1, high[2] - low[2] + 1}};
}

Extent3 shown_size(const Extent3& size, std::int64_t most) {
  const double share = static_cast<double>(most) / static_cast<double>(size[0] * size[1] * size[2]);
  if (share >= 1) { return size; }
  Extent3 smaller{};
  for (std::size_t k = 0; k < 3; ++k) {
    smaller[k] = std::max<std::int64_t>(1, static_cast<std::int64_t>(static_cast<double>(size[k]) * std::cbrt(share)));
  }
  return smaller;
}

/// Grey of 1 to 255 between the 1st and the 99th percentile of what is not 0; 0 stays black.
std::vector<std::uint8_t> greys(std::span<const float> image) {
  constexpr std::size_t kLooked = 100'000;
  std::vector<float> some;
  const std::size_t step = image.size() / kLooked + 1;
  for (std::size_t i = 0; i < image.size(); i += step) { some.push_back(image[i]); }
  const Window window = window_of(std::span<const float>(some));
  const double range = window.white > window.black ? window.white - window.black : 1;
  std::vector<std::uint8_t> grey(image.size());
  std::ranges::transform(image, grey.begin(), [&](float v) {
    const double share = (static_cast<double>(v) - window.black) / range;
    return v == 0 || !std::isfinite(share) ? std::uint8_t{0}
                                           : static_cast<std::uint8_t>(std::lround(255 * std::clamp(share, 0.0, 1.0)));
  });
  return grey;
}

/// Slices along D side by side, so many in a row.
std::string mosaic(std::span<const std::uint8_t> values, const Extent3& size, std::int64_t columns) {
  const std::int64_t rows = (size[0] + columns - 1) / columns;
  const std::int64_t width = columns * size[2];
  std::vector<std::uint8_t> pixels(static_cast<std::size_t>(rows * size[1] * width));
  for (std::int64_t d = 0; d < size[0]; ++d) {
    for (std::int64_t h = 0; h < size[1]; ++h) {
      std::copy_n(values.begin() + (d * size[1] + h) * size[2], size[2],
                  pixels.begin() + (d / columns * size[1] + h) * width + d % columns * size[2]);
    }
  }
  return data_uri("image/png", png_file(width, rows * size[1], 1, pixels));
}

std::string grid_text(const Extent3& size) { return fmt::format("{}x{}x{}", size[0], size[1], size[2]); }

}  // namespace

Json case_picture(const ShownCase& c, std::int64_t most_voxels) {
  const Box box = shown_box(c);
  const Extent3 size = shown_size(box.size, most_voxels);
  const auto columns = static_cast<std::int64_t>(std::ceil(std::sqrt(static_cast<double>(size[0]))));
  std::array<double, 3> spacing{};
  for (std::size_t k = 0; k < 3; ++k) {
    spacing[k] = c.spacing_mm[k] * static_cast<double>(box.size[k]) / static_cast<double>(size[k]);
  }
  std::vector<std::uint8_t> labels(static_cast<std::size_t>(size[0] * size[1] * size[2]));
  for (const auto& [map, factor] : {std::pair{c.truth, 1}, std::pair{c.prediction, 4}}) {
    if (map.empty()) { continue; }
    const LargeVector<std::uint8_t> there = resize_nearest(map, c.size, box, size);
    for (std::size_t i = 0; i < labels.size(); ++i) {
      labels[i] = static_cast<std::uint8_t>(labels[i] + factor * there[i]);
    }
  }
  Json image = nullptr;
  if (!c.image.empty()) { image = mosaic(greys(resize_trilinear(c.image, c.size, box, size)), size, columns); }
  std::vector<std::string> facts = c.facts;
  facts.push_back(fmt::format("grid {}, shown of it {}{}", grid_text(c.size), grid_text(box.size),
                              size == box.size ? "" : fmt::format(", made smaller to {}", grid_text(size))));
  return {{"id", c.id},
          {"title", c.title},
          {"facts", facts},
          {"size", size},
          {"spacing_mm", spacing},
          {"columns", columns},
          {"truth", !c.truth.empty()},
          {"prediction", !c.prediction.empty()},
          {"image", image},
          {"labels", mosaic(labels, size, columns)}};
}

Json shown_classes() {
  Json classes = Json::array();
  for (std::size_t k = 1; k < kClassColours.size(); ++k) {
    const Colour& colour = kClassColours[k];
    classes.push_back({{"name", colour.meaning},
                       {"colour", fmt::format("#{:02x}{:02x}{:02x}", colour.red, colour.green, colour.blue)}});
  }
  return classes;
}

std::vector<RankedCase> worst_median_best(std::span<const double> scores) {
  std::vector<std::size_t> order(scores.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  const auto rank = [&](std::size_t i) { return std::isnan(scores[i]) ? -INFINITY : scores[i]; };
  std::ranges::stable_sort(order, {}, rank);
  switch (order.size()) {
    case 0:
      return {};
    case 1:
      return {{"only", 0}};
    case 2:
      return {{"worst", order[0]}, {"best", order[1]}};
    default:
      return {{"worst", order.front()}, {"median", order[(order.size() - 1) / 2]}, {"best", order.back()}};
  }
}

}  // namespace vox
