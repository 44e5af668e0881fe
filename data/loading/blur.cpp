#include "data/loading/blur.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>

namespace vox {
namespace {

std::size_t at(std::int64_t i) { return static_cast<std::size_t>(i); }

/// Index i of an axis of n voxels, which goes on as its mirror image.
std::int64_t mirrored(std::int64_t i, std::int64_t n) {
  if (n == 1) { return 0; }
  const std::int64_t period = 2 * (n - 1);
  const std::int64_t j = ((i % period) + period) % period;
  return j < n ? j : period - j;
}

/// out = the weighted sum of rows around row i of `count`, `stride` values apart.
void sum_of_rows(const float* rows, std::int64_t stride, std::int64_t length, std::int64_t i, std::int64_t count,
                 std::span<const float> weights, float* out) {
  const std::int64_t r = std::ssize(weights) / 2;
  const auto row = [&](std::int64_t k) { return rows + mirrored(i + k, count) * stride; };
  const float* const middle = row(0);
  const float w = weights[at(r)];
  for (std::int64_t x = 0; x < length; ++x) { out[x] = w * middle[x]; }
  for (std::int64_t k = 1; k <= r; ++k) {
    const float* const before = row(-k);
    const float* const behind = row(k);
    const float weight = weights[at(r + k)];
    for (std::int64_t x = 0; x < length; ++x) { out[x] += weight * (before[x] + behind[x]); }
  }
}

}  // namespace

std::vector<float> blur_weights(double sigma) {
  const auto width = 2 * static_cast<std::int64_t>(std::floor((6 * sigma + 0.5) / 2)) + 1;
  const std::int64_t r = width / 2;
  std::vector<double> exact;
  double sum = 0;
  for (std::int64_t i = -r; i <= r; ++i) {
    const double x = static_cast<double>(i) / sigma;
    exact.push_back(std::exp(-0.5 * x * x));
    sum += exact.back();
  }
  std::vector<float> weights;
  std::ranges::transform(exact, std::back_inserter(weights), [&](double e) { return static_cast<float>(e / sum); });
  return weights;
}

void blur(std::span<float> channel, const Extent3& size, const std::array<float, 3>& sigma,
          std::vector<float>& scratch) {
  if (channel.empty()) { return; }
  const auto [depth, height, width] = size;
  std::array<std::vector<float>, 3> weights;
  for (std::size_t a = 0; a < 3; ++a) { weights[a] = blur_weights(static_cast<double>(sigma[a])); }
  const std::int64_t r = std::ssize(weights[2]) / 2;
  const std::int64_t plane = height * width;
  scratch.assign(channel.begin(), channel.end());
  std::vector<float> slice(at(plane));           // summed along D
  std::vector<float> padded(at(width + 2 * r));  // and along H, going on beyond its ends
  for (std::int64_t d = 0; d < depth; ++d) {
    sum_of_rows(scratch.data(), plane, plane, d, depth, weights[0], slice.data());
    for (std::int64_t h = 0; h < height; ++h) {
      float* const row = padded.data() + r;
      sum_of_rows(slice.data(), width, width, h, height, weights[1], row);
      for (std::int64_t k = 1; k <= r; ++k) {
        row[-k] = row[mirrored(-k, width)];
        row[width - 1 + k] = row[mirrored(width - 1 + k, width)];
      }
      sum_of_rows(padded.data(), 1, width, r, width + 2 * r, weights[2], channel.data() + d * plane + h * width);
    }
  }
}

}  // namespace vox
