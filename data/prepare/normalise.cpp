#include "data/prepare/normalise.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <utility>

namespace vox {

namespace {

/// Smallest and largest of values, of which there is at least one, in lanes that fit a vector.
std::pair<float, float> range_of(std::span<const float> values) {
  constexpr std::size_t kLanes = 16;
  std::array<float, kLanes> low;
  std::array<float, kLanes> high;
  low.fill(values.front());
  high.fill(values.front());
  const std::size_t whole = values.size() / kLanes * kLanes;
  for (std::size_t i = 0; i < whole; i += kLanes) {
    for (std::size_t l = 0; l < kLanes; ++l) {
      const float x = values[i + l];
      low[l] = x < low[l] ? x : low[l];
      high[l] = x > high[l] ? x : high[l];
    }
  }
  for (const float x : values.subspan(whole)) {
    low[0] = std::min(low[0], x);
    high[0] = std::max(high[0], x);
  }
  return {std::ranges::min(low), std::ranges::max(high)};
}

}  // namespace

void scale_to_unit(std::span<float> values) {
  if (values.empty()) { return; }
  const auto [low, high] = range_of(values);
  const double range = static_cast<double>(high) - static_cast<double>(low);
  const double scale = range < 10 * std::numeric_limits<double>::epsilon() ? 1.0 : 1.0 / range;
  const double offset = 0.0 - static_cast<double>(low) * scale;
  for (float& x : values) { x = static_cast<float>(static_cast<double>(x) * scale + offset); }
}

std::vector<std::uint8_t> brain_mask(std::span<const std::span<const float>> images) {
  std::vector<std::uint8_t> mask(images.empty() ? 0 : images.front().size());
  for (const std::span<const float> image : images) {
    for (std::size_t i = 0; i < mask.size(); ++i) {
      mask[i] = static_cast<std::uint8_t>(mask[i] | static_cast<std::uint8_t>(image[i] != 0.0F));
    }
  }
  return mask;
}

void standardise(std::span<float> values, std::span<const std::uint8_t> mask) {
  double sum = 0;
  double count = 0;
  for (std::size_t i = 0; i < values.size(); ++i) {
    sum += mask[i] != 0 ? static_cast<double>(values[i]) : 0.0;
    count += mask[i] != 0 ? 1.0 : 0.0;
  }
  const double mean = count > 0 ? sum / count : 0.0;
  double squares = 0;  // about the mean: a difference of large sums would lose the small deviation
  for (std::size_t i = 0; i < values.size(); ++i) {
    const double x = mask[i] != 0 ? static_cast<double>(values[i]) - mean : 0.0;
    squares += x * x;
  }
  const double deviation = count > 0 ? std::sqrt(squares / count) : 0.0;
  const double scale = deviation > 0 ? 1.0 / deviation : 0.0;
  for (std::size_t i = 0; i < values.size(); ++i) {
    values[i] = mask[i] != 0 ? static_cast<float>((static_cast<double>(values[i]) - mean) * scale) : 0.0F;
  }
}

Box bounding_box(std::span<const std::uint8_t> mask, const Extent3& size) {
  Extent3 low = size;
  Extent3 high{-1, -1, -1};
  std::size_t i = 0;
  for (std::int64_t d = 0; d < size[0]; ++d) {
    for (std::int64_t h = 0; h < size[1]; ++h) {
      for (std::int64_t w = 0; w < size[2]; ++w, ++i) {
        if (mask[i] == 0) { continue; }
        low = {std::min(low[0], d), std::min(low[1], h), std::min(low[2], w)};
        high = {std::max(high[0], d), std::max(high[1], h), std::max(high[2], w)};
      }
    }
  }
  if (high[0] < 0) { return {}; }
  return {low, {high[0] - low[0] + 1, high[1] - low[1] + 1, high[2] - low[2] + 1}};
}

}  // namespace vox
