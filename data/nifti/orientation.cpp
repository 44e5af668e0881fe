#include "data/nifti/orientation.h"

#include <cmath>

namespace vox {
namespace {

constexpr double kSmallestVolume = 1e-4;  // of the parallelepiped of three unit columns: below, two axes coincide

double at(const Affine& a, std::size_t row, std::size_t column) { return a[row * 4 + column]; }

}  // namespace

std::array<double, 3> column_lengths_mm(const Affine& a) {
  std::array<double, 3> lengths{};
  for (std::size_t c = 0; c < 3; ++c) { lengths[c] = std::hypot(at(a, 0, c), at(a, 1, c), at(a, 2, c)); }
  return lengths;
}

std::optional<AxisMap> canonical_axes(const Affine& stored) {
  for (const double v : stored) {
    if (!std::isfinite(v)) { return {}; }
  }
  const auto lengths = column_lengths_mm(stored);
  std::array<std::array<double, 3>, 3> cosine{};  // [canonical axis][stored axis]
  for (std::size_t s = 0; s < 3; ++s) {
    if (!(lengths[s] > 0) || !std::isfinite(lengths[s])) { return {}; }
    for (std::size_t c = 0; c < 3; ++c) {
      const double to_canonical = c == 2 ? 1.0 : -1.0;  // x grows to Right and y to Anterior, L and P are opposite
      cosine[c][s] = to_canonical * at(stored, c, s) / lengths[s];
    }
  }
  const auto& m = cosine;
  const double volume = m[0][0] * (m[1][1] * m[2][2] - m[1][2] * m[2][1]) -
                        m[0][1] * (m[1][0] * m[2][2] - m[1][2] * m[2][0]) +
                        m[0][2] * (m[1][0] * m[2][1] - m[1][1] * m[2][0]);
  if (!(std::abs(volume) >= kSmallestVolume)) { return {}; }

  AxisMap best;
  double best_sum = -1;
  constexpr std::array<std::array<std::size_t, 3>, 6> kOrders{
      {{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}}};
  for (const auto& order : kOrders) {
    double sum = 0;
    for (std::size_t c = 0; c < 3; ++c) { sum += std::abs(m[c][order[c]]); }
    if (sum > best_sum) {
      best_sum = sum;
      best.stored = order;
    }
  }
  for (std::size_t c = 0; c < 3; ++c) { best.flipped[c] = m[c][best.stored[c]] < 0; }
  return best;
}

std::string orientation_name(const AxisMap& map) {
  std::string name(3, '?');
  for (std::size_t c = 0; c < 3; ++c) { name[map.stored[c]] = (map.flipped[c] ? "RAI" : "LPS")[c]; }
  return name;
}

Extents canonical_extents(const AxisMap& map, const Extents& stored) {
  return {stored[map.stored[0]], stored[map.stored[1]], stored[map.stored[2]]};
}

Affine canonical_affine(const AxisMap& map, const Affine& stored, const Extents& stored_extents) {
  Affine out = stored;
  for (std::size_t c = 0; c < 3; ++c) {
    const std::size_t s = map.stored[c];
    for (std::size_t row = 0; row < 3; ++row) {
      const double edge = at(stored, row, s);
      out[row * 4 + c] = map.flipped[c] ? -edge : edge;
      if (map.flipped[c]) { out[row * 4 + 3] += static_cast<double>(stored_extents[s] - 1) * edge; }
    }
  }
  return out;
}

}  // namespace vox
