#include "data/scoring/hd95.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <span>

#include "kernels/base/check.h"
#include "kernels/base/parallel.h"

namespace vox {
namespace {

constexpr double kFar = std::numeric_limits<double>::infinity();

/// Of a box.
struct Corners {
  std::array<std::int64_t, 3> low{};
  std::array<std::int64_t, 3> high{};  ///< one past the last
};

/// The smallest box around all that is inside either mask; false where both are empty.
bool bounding_box(const LabelMap& a, const LabelMap& b, Corners& box) {
  const auto [depth, height, width] = a.geometry.size;
  box = {.low = a.geometry.size, .high = {0, 0, 0}};
  for (std::int64_t d = 0; d < depth; ++d) {
    for (std::int64_t h = 0; h < height; ++h) {
      for (std::int64_t w = 0; w < width; ++w) {
        const auto i = static_cast<std::size_t>(a.index(d, h, w));
        if (a.values[i] == 0 && b.values[i] == 0) { continue; }
        const std::array<std::int64_t, 3> at{d, h, w};
        for (std::size_t k = 0; k < 3; ++k) {
          box.low[k] = std::min(box.low[k], at[k]);
          box.high[k] = std::max(box.high[k], at[k] + 1);
        }
      }
    }
  }
  return box.high[0] > 0;
}

LabelMap cut(const LabelMap& mask, const Corners& box, const std::array<double, 3>& spacing_mm) {
  LabelMap part;
  part.geometry.spacing_mm = spacing_mm;
  for (std::size_t k = 0; k < 3; ++k) { part.geometry.size[k] = box.high[k] - box.low[k]; }
  part.values.reserve(static_cast<std::size_t>(part.geometry.voxels()));
  for (std::int64_t d = box.low[0]; d < box.high[0]; ++d) {
    for (std::int64_t h = box.low[1]; h < box.high[1]; ++h) {
      const auto row = mask.values.begin() + mask.index(d, h, 0);
      part.values.insert(part.values.end(), row + box.low[2], row + box.high[2]);
    }
  }
  return part;
}

/// One line of the distance transform: f[q] becomes the minimum over p of f[p] + (step_mm * (q - p))^2.
class LowerEnvelope {
 public:
  LowerEnvelope(std::int64_t length, double step_mm)
      : square_(step_mm * step_mm),
        apex_(static_cast<std::size_t>(length)),
        from_(static_cast<std::size_t>(length)),
        line_(static_cast<std::size_t>(length)) {}

  /// The line is values[k * stride].
  void run(double* values, std::int64_t stride) {
    for (std::size_t q = 0; q < line_.size(); ++q) { line_[q] = values[static_cast<std::int64_t>(q) * stride]; }
    const std::size_t parabolas = build();
    if (parabolas == 0) { return; }
    std::size_t k = 0;
    for (std::size_t q = 0; q < line_.size(); ++q) {
      while (k + 1 < parabolas && from_[k + 1] < static_cast<double>(q)) { ++k; }
      const double steps = static_cast<double>(q) - static_cast<double>(apex_[k]);
      values[static_cast<std::int64_t>(q) * stride] = line_[apex_[k]] + square_ * steps * steps;
    }
  }

 private:
  /// Parabola k is the lowest from from_[k] to from_[k + 1].
  std::size_t build() {
    std::size_t count = 0;
    for (std::size_t q = 0; q < line_.size(); ++q) {
      if (line_[q] == kFar) { continue; }
      double start = -kFar;
      while (count > 0) {
        start = meets(apex_[count - 1], q);
        if (start > from_[count - 1]) { break; }
        --count;
        start = -kFar;
      }
      apex_[count] = q;
      from_[count] = start;
      ++count;
    }
    return count;
  }

  /// Where the parabolas of p < q meet, in steps.
  [[nodiscard]] double meets(std::size_t p, std::size_t q) const {
    const auto a = static_cast<double>(p);
    const auto b = static_cast<double>(q);
    return 0.5 * ((line_[q] - line_[p]) / (square_ * (b - a)) + a + b);
  }

  double square_;
  std::vector<std::size_t> apex_;
  std::vector<double> from_;
  std::vector<double> line_;
};

void collect_distances(const LabelMap& from, const LabelMap& to, int threads, std::vector<double>& distances) {
  const std::vector<double> squared = squared_distance_mm2(to, threads);
  for (std::size_t i = 0; i < squared.size(); ++i) {
    if (from.values[i] != 0) { distances.push_back(std::sqrt(squared[i])); }
  }
}

bool is_empty(const LabelMap& mask) {
  return std::all_of(mask.values.begin(), mask.values.end(), [](std::uint8_t v) { return v == 0; });
}

}  // namespace

LabelMap region_mask(const LabelMap& classes, Region region) {
  std::array<std::uint8_t, kClasses> inside{};
  for (int c = 0; c < kClasses; ++c) { inside[static_cast<std::size_t>(c)] = in_region(region, c) ? 1 : 0; }
  LabelMap mask{.geometry = classes.geometry, .values = classes.values};
  for (std::uint8_t& v : mask.values) { v = inside[v]; }
  return mask;
}

LabelMap surface(const LabelMap& mask) {
  const auto size = mask.geometry.size;
  LabelMap result{.geometry = mask.geometry, .values = LargeVector<std::uint8_t>(mask.values.size())};
  const std::array<std::int64_t, 3> stride{size[1] * size[2], size[2], 1};
  for (std::int64_t d = 0; d < size[0]; ++d) {
    for (std::int64_t h = 0; h < size[1]; ++h) {
      for (std::int64_t w = 0; w < size[2]; ++w) {
        const std::int64_t i = mask.index(d, h, w);
        if (mask.values[static_cast<std::size_t>(i)] == 0) { continue; }
        const std::array<std::int64_t, 3> at{d, h, w};
        bool edge = false;
        for (std::size_t k = 0; k < 3; ++k) {
          edge = edge || at[k] == 0 || at[k] + 1 == size[k] ||
                 mask.values[static_cast<std::size_t>(i - stride[k])] == 0 ||
                 mask.values[static_cast<std::size_t>(i + stride[k])] == 0;
        }
        result.values[static_cast<std::size_t>(i)] = edge ? 1 : 0;
      }
    }
  }
  return result;
}

std::vector<double> squared_distance_mm2(const LabelMap& mask, int threads) {
  const std::array<std::int64_t, 3> size = mask.geometry.size;
  const std::array<double, 3> step_mm = mask.geometry.spacing_mm;
  std::vector<double> squared(mask.values.size());
  std::transform(mask.values.begin(), mask.values.end(), squared.begin(),
                 [](std::uint8_t v) { return v != 0 ? 0.0 : kFar; });
  const std::int64_t plane = size[1] * size[2];
  parallel_for(threads, size[0], [&](std::int64_t d) {
    LowerEnvelope along_w(size[2], step_mm[2]);
    for (std::int64_t h = 0; h < size[1]; ++h) { along_w.run(squared.data() + d * plane + h * size[2], 1); }
    LowerEnvelope along_h(size[1], step_mm[1]);
    for (std::int64_t w = 0; w < size[2]; ++w) { along_h.run(squared.data() + d * plane + w, size[2]); }
  });
  parallel_for(threads, size[1], [&](std::int64_t h) {
    LowerEnvelope along_d(size[0], step_mm[0]);
    for (std::int64_t w = 0; w < size[2]; ++w) { along_d.run(squared.data() + h * size[2] + w, plane); }
  });
  return squared;
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

double hd95_mm(const LabelMap& truth, const LabelMap& predicted, int threads) {
  VOX_CHECK(truth.geometry.size == predicted.geometry.size, "hd95: the two masks differ in size");
  Corners box;
  if (!bounding_box(truth, predicted, box)) { return 0.0; }
  const LabelMap a = surface(cut(truth, box, truth.geometry.spacing_mm));
  const LabelMap b = surface(cut(predicted, box, truth.geometry.spacing_mm));
  if (is_empty(a) || is_empty(b)) { return kHd95PenaltyMm; }
  std::vector<double> distances;
  collect_distances(a, b, threads, distances);
  collect_distances(b, a, threads, distances);
  return percentile(std::move(distances), 95.0);
}

}  // namespace vox
