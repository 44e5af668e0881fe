#include "data/prepare/normalise.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <limits>
#include <numeric>
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

/// Sum of body(value) where mask is 1, in lanes that fit a vector.
template <class Body>
double sum_inside(std::span<const float> values, std::span<const std::uint8_t> mask, const Body& body) {
  constexpr std::size_t kLanes = 8;
  std::array<double, kLanes> sum{};
  const auto term = [&](std::size_t i) { return mask[i] != 0 ? body(static_cast<double>(values[i])) : 0.0; };
  const std::size_t whole = values.size() / kLanes * kLanes;
  for (std::size_t i = 0; i < whole; i += kLanes) {
    for (std::size_t l = 0; l < kLanes; ++l) { sum[l] += term(i + l); }
  }
  for (std::size_t i = whole; i < values.size(); ++i) { sum[0] += term(i); }
  return std::accumulate(sum.begin(), sum.end(), 0.0);
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

LargeVector<std::uint8_t> brain_mask(std::span<const std::span<const float>> images) {
  constexpr std::size_t kPart =
      2048;  // voxels of each image in turn, so that what they have in common stays in a cache
  LargeVector<std::uint8_t> mask(images.empty() ? 0 : images.front().size(), uncleared);
  std::array<std::uint32_t, kPart> bits;
  for (std::size_t start = 0; start < mask.size(); start += kPart) {
    const std::size_t n = std::min(kPart, mask.size() - start);
    bits.fill(0);
    for (const std::span<const float> image : images) {
      const float* const from = image.data() + start;
      for (std::size_t i = 0; i < n; ++i) { bits[i] |= std::bit_cast<std::uint32_t>(from[i]); }
    }
    std::uint8_t* const to = mask.data() + start;
    for (std::size_t i = 0; i < n; ++i) { to[i] = (bits[i] << 1U) != 0 ? 1 : 0; }  // -0 is 0
  }
  return mask;
}

void standardise(std::span<float> values, std::span<const std::uint8_t> mask) {
  const std::size_t inside = values.size() - static_cast<std::size_t>(std::ranges::count(mask, std::uint8_t{0}));
  const auto count = static_cast<double>(inside);
  const double sum = sum_inside(values, mask, [](double x) { return x; });
  const double mean = count > 0 ? sum / count : 0.0;
  const double squares =  // about the mean: a difference of large sums would lose the small deviation
      sum_inside(values, mask, [=](double x) { return (x - mean) * (x - mean); });
  const double deviation = count > 0 ? std::sqrt(squares / count) : 0.0;
  const double scale = deviation > 0 ? 1.0 / deviation : 0.0;
  for (std::size_t i = 0; i < values.size(); ++i) {
    values[i] = mask[i] != 0 ? static_cast<float>((static_cast<double>(values[i]) - mean) * scale) : 0.0F;
  }
}

Box bounding_box(std::span<const std::uint8_t> mask, const Extent3& size) {
  Extent3 low = size;
  Extent3 high{-1, -1, -1};
  const auto outside = [](std::uint8_t m) { return m == 0; };
  const std::uint8_t* row = mask.data();
  for (std::int64_t d = 0; d < size[0]; ++d) {
    for (std::int64_t h = 0; h < size[1]; ++h, row += size[2]) {
      const std::int64_t first = std::find_if_not(row, row + size[2], outside) - row;
      if (first == size[2]) { continue; }
      std::int64_t last = size[2] - 1;
      while (outside(row[last])) { --last; }
      low = {std::min(low[0], d), std::min(low[1], h), std::min(low[2], first)};
      high = {std::max(high[0], d), std::max(high[1], h), std::max(high[2], last)};
    }
  }
  if (high[0] < 0) { return {}; }
  return {low, {high[0] - low[0] + 1, high[1] - low[1] + 1, high[2] - low[2] + 1}};
}

}  // namespace vox
