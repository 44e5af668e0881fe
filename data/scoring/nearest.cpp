#include "data/scoring/nearest.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "kernels/base/check.h"
#include "kernels/base/parallel.h"

namespace vox {
namespace {

constexpr double kFar = std::numeric_limits<double>::infinity();

double square(double x) { return x * x; }

}  // namespace

NearestPoint::NearestPoint(std::span<const std::uint8_t> points, const Extent3& size,
                           const std::array<double, 3>& spacing_mm)
    : size_(size),
      spacing_mm_(spacing_mm),
      row_of_(static_cast<std::size_t>(size[0] * size[1]), -1),
      rows_of_slice_(static_cast<std::size_t>(size[0])) {
  VOX_CHECK(std::ssize(points) == size[0] * size[1] * size[2], "NearestPoint: {} voxels, wants {}x{}x{}", points.size(),
            size[0], size[1], size[2]);
  VOX_CHECK(size[2] < kNone, "NearestPoint: {} voxels along W, wants fewer than {}", size[2], kNone);
  const auto width = static_cast<std::size_t>(size[2]);
  std::int32_t rows = 0;
  for (std::size_t row = 0; row < row_of_.size(); ++row) {
    const std::uint8_t* const of = points.data() + row * width;
    if (std::any_of(of, of + width, [](std::uint8_t v) { return v != 0; })) { row_of_[row] = rows++; }
  }
  rows_.resize(static_cast<std::size_t>(rows) * width);
  for (std::size_t d = 0; d < rows_of_slice_.size(); ++d) {
    auto& [first, end] = rows_of_slice_[d];
    for (std::int64_t h = 0; h < size[1]; ++h) {
      const auto row = static_cast<std::size_t>(static_cast<std::int64_t>(d) * size[1] + h);
      if (row_of_[row] < 0) { continue; }
      if (end == 0) { first = static_cast<std::int32_t>(h); }
      end = static_cast<std::int32_t>(h) + 1;
      const std::uint8_t* const of = points.data() + row * width;
      std::uint16_t* const steps = rows_.data() + static_cast<std::size_t>(row_of_[row]) * width;
      int last = kNone;
      for (std::size_t w = 0; w < width; ++w) {
        last = of[w] != 0 ? 0 : std::min(last + 1, static_cast<int>(kNone));
        steps[w] = static_cast<std::uint16_t>(last);
      }
      for (std::size_t w = width; w > 0;) {
        --w;
        last = std::min<int>(last + 1, steps[w]);
        steps[w] = static_cast<std::uint16_t>(last);
      }
    }
  }
}

/// All voxels that share h and w.
class NearestPoint::Column {
 public:
  explicit Column(const NearestPoint& of) : of_(of), of_slice_(of.rows_of_slice_.size()) {}

  void move(std::int64_t h, std::int64_t w) {
    h_ = h;
    w_ = static_cast<std::size_t>(w);
    std::ranges::fill(of_slice_, -1.0);
  }

  /// Squared, from the column's voxel in slice d.
  double nearest_mm2(std::int64_t d) {
    double best = of_slice(d);
    const auto depth = std::ssize(of_slice_);
    const std::int64_t reach = std::max(d, depth - 1 - d);
    for (std::int64_t k = 1; k <= reach; ++k) {
      const double away = square(of_.spacing_mm_[0] * static_cast<double>(k));
      if (away >= best) { break; }
      if (d - k >= 0) { best = std::min(best, away + of_slice(d - k)); }
      if (d + k < depth) { best = std::min(best, away + of_slice(d + k)); }
    }
    return best;
  }

 private:
  /// Squared, from the column's voxel in slice d to the nearest point of that slice.
  double of_slice(std::int64_t d) {
    double& known = of_slice_[static_cast<std::size_t>(d)];
    if (known < 0) { known = search(d); }
    return known;
  }

  [[nodiscard]] double search(std::int64_t d) const {
    const auto [first, end] = of_.rows_of_slice_[static_cast<std::size_t>(d)];
    if (end == 0) { return kFar; }
    double best = kFar;
    const auto at = [&](std::int64_t h, double away) {
      const std::int32_t row = of_.row_of_[static_cast<std::size_t>(d * of_.size_[1] + h)];
      if (row < 0) { return; }
      const auto steps = of_.rows_[static_cast<std::size_t>(row) * static_cast<std::size_t>(of_.size_[2]) + w_];
      best = std::min(best, away + square(of_.spacing_mm_[2] * steps));
    };
    // Rows outside [first, end) hold no point: the nearer side of the range is where the search starts.
    const std::int64_t from = std::max<std::int64_t>({0, first - h_, h_ - (end - 1)});
    const std::int64_t reach = std::max<std::int64_t>(h_ - first, end - 1 - h_);
    for (std::int64_t k = from; k <= reach; ++k) {
      const double away = square(of_.spacing_mm_[1] * static_cast<double>(k));
      if (away >= best) { break; }
      if (h_ - k >= first && h_ - k < end) { at(h_ - k, away); }
      if (k > 0 && h_ + k < end && h_ + k >= first) { at(h_ + k, away); }
    }
    return best;
  }

  const NearestPoint& of_;
  std::vector<double> of_slice_;  ///< below 0: not known yet
  std::int64_t h_ = 0;
  std::size_t w_ = 0;
};

std::vector<double> NearestPoint::distances_mm(std::span<const std::uint8_t> from, int threads) const {
  const std::int64_t depth = size_[0];
  const std::int64_t height = size_[1];
  const std::int64_t width = size_[2];
  VOX_CHECK(std::ssize(from) == depth * height * width, "NearestPoint: {} voxels, wants {}x{}x{}", from.size(), depth,
            height, width);
  const auto columns = static_cast<std::size_t>(height * width);
  std::vector<std::int32_t> begin(columns + 1);  // of each column, counting sort
  struct Asked {
    std::int32_t d;
    std::int32_t place;
  };
  std::int32_t count = 0;
  for (std::size_t i = 0; i < from.size(); ++i) {
    if (from[i] == 0) { continue; }
    ++begin[i % columns + 1];
    ++count;
  }
  std::vector<double> distances(static_cast<std::size_t>(count), kFar);
  if (none() || count == 0) { return distances; }
  for (std::size_t c = 0; c < columns; ++c) { begin[c + 1] += begin[c]; }
  std::vector<Asked> asked(static_cast<std::size_t>(count));
  std::vector<std::int32_t> next(begin.begin(), begin.end() - 1);
  std::int32_t place = 0;
  for (std::int64_t d = 0; d < depth; ++d) {
    const std::uint8_t* const slice = from.data() + static_cast<std::size_t>(d) * columns;
    for (std::size_t c = 0; c < columns; ++c) {
      if (slice[c] == 0) { continue; }
      asked[static_cast<std::size_t>(next[c]++)] = {.d = static_cast<std::int32_t>(d), .place = place++};
    }
  }
  parallel_for(threads, height, [&](std::int64_t h) {
    Column column(*this);
    for (std::int64_t w = 0; w < width; ++w) {
      const auto c = static_cast<std::size_t>(h * width + w);
      if (begin[c] == begin[c + 1]) { continue; }
      column.move(h, w);
      for (std::int32_t k = begin[c]; k < begin[c + 1]; ++k) {
        const Asked& one = asked[static_cast<std::size_t>(k)];
        distances[static_cast<std::size_t>(one.place)] = std::sqrt(column.nearest_mm2(one.d));
      }
    }
  });
  return distances;
}

}  // namespace vox
