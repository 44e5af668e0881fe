#include "data/prepare/spline.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>

#include "data/cases/label_convention.h"
#include "data/prepare/resample.h"
#include "kernels/base/check.h"
#include "kernels/base/parallel.h"

namespace vox {
namespace {

std::size_t at(std::int64_t i) { return static_cast<std::size_t>(i); }

constexpr std::int64_t kLanes = 16;  // lines at a time: the recursions along them are vectors across them
constexpr std::int64_t kBeyond = 2;  // coefficients that a tap may want beyond either end
constexpr double kGain = 6;          // (1 - z) (1 - 1/z)
const double kPole = std::numbers::sqrt3 - 2;

/// Lines of n samples side by side: row k + kBeyond holds sample, and later coefficient, k of each, k from -2 to n + 1.
class Lines {
 public:
  explicit Lines(std::int64_t n) : n_(n), rows_(at((n + 2 * kBeyond) * kLanes)) {}
  [[nodiscard]] double* row(std::int64_t k) { return rows_.data() + (k + kBeyond) * kLanes; }

  /// Samples become coefficients: 1 / (1 - z x^-1), then -z / (1 - z x), both exact for edge values that go on for
  /// ever.
  void filter() {
    const double z = kPole;
    for (std::int64_t l = 0; l < kLanes; ++l) {
      const double last = row(n_ - 1)[l] / (1 - z);  // what the causal sums tend to behind the end
      double sum = row(0)[l] / (1 - z);
      const double before = sum;  // and what they are in front of the start
      for (std::int64_t k = 0; k < n_; ++k) { row(k)[l] = sum = row(k)[l] + z * sum; }
      const double off = sum - last;
      row(n_ + 1)[l] = -z * last / (1 - z) - z * z * z * off / (1 - z * z);
      row(n_)[l] = -z * last / (1 - z) - z * z * off / (1 - z * z);
      row(-1)[l] = row(-2)[l] = before;
    }
    for (std::int64_t k = n_ - 1; k >= -kBeyond; --k) {
      for (std::int64_t l = 0; l < kLanes; ++l) { row(k)[l] = z * (row(k + 1)[l] - row(k)[l]); }
    }
    for (double& c : rows_) { c *= kGain; }
  }

 private:
  std::int64_t n_;
  std::vector<double> rows_;
};

/// y = sum of weight[i] times coefficient low - 1 + i.
struct CubicTap {
  std::int64_t low;
  std::array<double, 4> weight;
};

std::vector<CubicTap> cubic_taps(std::int64_t in, std::int64_t out) {
  std::vector<CubicTap> taps;
  for (std::int64_t o = 0; o < out; ++o) {
    const std::int64_t numerator = (2 * o + 1) * in - out;  // over 2 * out: above -1/2
    const std::int64_t low = numerator < 0 ? -1 : numerator / (2 * out);
    const double t = static_cast<double>(numerator - low * 2 * out) / static_cast<double>(2 * out);
    const double u = 1 - t;
    taps.push_back(
        {low,
         {u * u * u / 6, (3 * t * t * t - 6 * t * t + 4) / 6, (3 * u * u * u - 6 * u * u + 4) / 6, t * t * t / 6}});
  }
  return taps;
}

/// in [outer,n,inner] to [outer,out,inner].
LargeVector<float> resize_axis(std::span<const float> in, std::int64_t outer, std::int64_t n, std::int64_t inner,
                               std::int64_t out, int threads) {
  const std::vector<CubicTap> taps = cubic_taps(n, out);
  LargeVector<float> result(at(outer * out * inner));
  const std::int64_t parts = (inner + kLanes - 1) / kLanes;
  parallel_for(threads, outer * parts, [&](std::int64_t task) {
    const std::int64_t first = task % parts * kLanes;
    const std::int64_t width = std::min(kLanes, inner - first);
    const float* const from = in.data() + task / parts * n * inner + first;
    float* const to = result.data() + task / parts * out * inner + first;
    Lines lines(n);
    for (std::int64_t k = 0; k < n; ++k) {
      for (std::int64_t l = 0; l < width; ++l) { lines.row(k)[l] = static_cast<double>(from[k * inner + l]); }
    }
    lines.filter();
    for (std::int64_t o = 0; o < out; ++o) {
      const auto& [low, weight] = taps[at(o)];
      const double* const c = lines.row(low - 1);
      for (std::int64_t l = 0; l < width; ++l) {
        to[o * inner + l] = static_cast<float>(weight[0] * c[l] + weight[1] * c[kLanes + l] +
                                               weight[2] * c[2 * kLanes + l] + weight[3] * c[3 * kLanes + l]);
      }
    }
  });
  return result;
}

}  // namespace

LargeVector<float> resize_cubic(std::span<const float> in, const Extent3& from, const Box& box, const Extent3& to,
                                int threads) {
  LargeVector<float> values = resize_trilinear(in, from, box, box.size, threads);  // equal sizes: a plain crop
  if (to == box.size) { return values; }
  const auto [low, high] = std::ranges::minmax(values);
  Extent3 size = box.size;
  for (std::size_t a = 0; a < 3; ++a) {
    VOX_CHECK(to[a] >= 1, "resize: axis {} resized to {}", a, to[a]);
    if (to[a] == size[a]) { continue; }
    const std::int64_t outer = a == 0 ? 1 : a == 1 ? size[0] : size[0] * size[1];
    const std::int64_t inner = a == 2 ? 1 : a == 1 ? size[2] : size[1] * size[2];
    values = resize_axis(values, outer, size[a], inner, to[a], threads);
    size[a] = to[a];
  }
  for (float& x : values) { x = std::clamp(x, low, high); }
  return values;
}

LargeVector<std::uint8_t> resize_classes(std::span<const std::uint8_t> in, const Extent3& from, const Box& box,
                                         const Extent3& to, int threads) {
  LargeVector<std::uint8_t> cut = resize_nearest(in, from, box, box.size, threads);  // equal sizes: a plain crop
  if (to == box.size) { return cut; }
  VOX_CHECK(std::ranges::max(cut) < kClasses, "resize: class {}, wants 0 to {}", std::ranges::max(cut), kClasses - 1);
  const std::array<std::vector<LinearTap>, 3> taps{linear_taps(box.size[0], to[0]), linear_taps(box.size[1], to[1]),
                                                   linear_taps(box.size[2], to[2])};
  LargeVector<std::uint8_t> out(at(to[0] * to[1] * to[2]));
  parallel_for(threads, to[0], [&](std::int64_t d) {
    std::size_t o = at(d * to[1] * to[2]);
    for (std::int64_t h = 0; h < to[1]; ++h) {
      for (std::int64_t w = 0; w < to[2]; ++w, ++o) {
        const std::array<const LinearTap*, 3> t{&taps[0][at(d)], &taps[1][at(h)], &taps[2][at(w)]};
        std::array<float, kClasses> share{};
        for (unsigned corner = 0; corner < 8; ++corner) {
          float weight = 1;
          std::int64_t index = 0;
          for (std::size_t a = 0; a < 3; ++a) {
            const bool high = (corner >> a & 1U) != 0;
            weight *= high ? t[a]->high_weight : 1 - t[a]->high_weight;
            index = index * box.size[a] + (high ? t[a]->high : t[a]->low);
          }
          share[cut[at(index)]] += weight;
        }
        out[o] = static_cast<std::uint8_t>(std::ranges::max_element(share) - share.begin());
      }
    }
  });
  return out;
}

}  // namespace vox
