#include "data/loading/low_resolution.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>

namespace vox {
namespace {

std::size_t at(std::int64_t i) { return static_cast<std::size_t>(i); }

/// An axis, sampled and brought back.
struct Axis {
  std::vector<std::int64_t> sampled;  ///< which voxel each sample is
  std::vector<std::int64_t> low;      ///< of each voxel, the sample in front of it
  std::vector<std::int64_t> high;     ///< and behind it
  std::vector<float> weight;          ///< of the latter
  [[nodiscard]] std::int64_t count() const { return std::ssize(sampled); }
};

Axis axis_of(std::int64_t extent, double scale) {
  Axis a;
  const auto n = std::max<std::int64_t>(1, std::llrint(static_cast<double>(extent) * scale));
  for (std::int64_t i = 0; i < n; ++i) { a.sampled.push_back((2 * i + 1) * extent / (2 * n)); }
  const double step = static_cast<double>(extent) / static_cast<double>(n);
  for (std::int64_t o = 0; o < extent; ++o) {
    const double p = std::max((static_cast<double>(o) + 0.5) / step - 0.5, 0.0);
    const auto low = std::min(static_cast<std::int64_t>(p), n - 1);
    a.low.push_back(low);
    a.high.push_back(std::min(low + 1, n - 1));
    a.weight.push_back(static_cast<float>(p - static_cast<double>(low)));
  }
  return a;
}

/// out = a row between two others.
void mix_rows(const float* low, const float* high, float weight, std::int64_t length, float* out) {
  for (std::int64_t w = 0; w < length; ++w) { out[w] = low[w] + weight * (high[w] - low[w]); }
}

}  // namespace

void lower_resolution(std::span<float> channel, const Extent3& size, double scale, std::vector<float>& scratch) {
  if (channel.empty()) { return; }
  const std::array<Axis, 3> axis{axis_of(size[0], scale), axis_of(size[1], scale), axis_of(size[2], scale)};
  const std::int64_t height = axis[1].count();
  const std::int64_t width = axis[2].count();
  scratch.resize(at(axis[0].count() * height * width));
  float* to = scratch.data();
  for (const std::int64_t d : axis[0].sampled) {
    for (const std::int64_t h : axis[1].sampled) {
      const float* const from = channel.data() + (d * size[1] + h) * size[2];
      for (const std::int64_t w : axis[2].sampled) { *to++ = from[w]; }
    }
  }
  std::vector<float> slice(at(height * width));  // of the small volume, between two of its slices
  std::vector<float> row(at(width));
  float* out = channel.data();
  for (std::size_t d = 0; d < at(size[0]); ++d) {
    mix_rows(scratch.data() + axis[0].low[d] * height * width, scratch.data() + axis[0].high[d] * height * width,
             axis[0].weight[d], height * width, slice.data());
    for (std::size_t h = 0; h < at(size[1]); ++h) {
      mix_rows(slice.data() + axis[1].low[h] * width, slice.data() + axis[1].high[h] * width, axis[1].weight[h], width,
               row.data());
      for (std::size_t w = 0; w < at(size[2]); ++w) {
        const float low = row[at(axis[2].low[w])];
        *out++ = low + axis[2].weight[w] * (row[at(axis[2].high[w])] - low);
      }
    }
  }
}

}  // namespace vox
