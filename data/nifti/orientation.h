#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

namespace vox {

/// How the axes (i,j,k) of a stored volume become the canonical ones: canonical axis c (0 to Left, 1 to Posterior, 2 to
/// Superior) is stored axis stored[c], walked backwards where flipped[c].
struct AxisMap {
  std::array<std::size_t, 3> stored{0, 1, 2};
  std::array<bool, 3> flipped{};

  [[nodiscard]] bool is_identity() const { return *this == AxisMap{}; }
  friend bool operator==(const AxisMap&, const AxisMap&) = default;
};

using Affine = std::array<double, 12>;        ///< as in Geometry: 3x4, row-major, mm in RAS+
using Extents = std::array<std::int64_t, 3>;  ///< voxels along i, j, k: i fastest in memory

/// The permutation and flips that bring the stored axes closest to L, P, S: the assignment with the largest sum of
/// |cosines|, which is exact for the 48 axis orders and the nearest one for an oblique volume. Empty when the affine is
/// not finite, has a zero column or cannot be inverted.
[[nodiscard]] std::optional<AxisMap> canonical_axes(const Affine& stored);

/// Where each stored index grows to: "LPS" for BraTS.
[[nodiscard]] std::string orientation_name(const AxisMap&);

[[nodiscard]] Extents canonical_extents(const AxisMap&, const Extents& stored);
/// The affine of the reoriented volume: canonical index -> the same point in mm. Bits are kept where nothing flips.
[[nodiscard]] Affine canonical_affine(const AxisMap&, const Affine& stored, const Extents& stored_extents);
/// Length of a column of the affine, in mm: the voxel edges along i, j, k.
[[nodiscard]] std::array<double, 3> column_lengths_mm(const Affine&);

/// Calls body(canonical offset, stored offset) for every voxel, canonical order.
template <class Body> void for_each_voxel(const AxisMap& map, const Extents& stored, const Body& body) {
  const Extents size = canonical_extents(map, stored);
  const Extents stride{1, stored[0], stored[0] * stored[1]};
  std::int64_t base = 0;
  Extents step{};
  for (std::size_t c = 0; c < 3; ++c) {
    step[c] = map.flipped[c] ? -stride[map.stored[c]] : stride[map.stored[c]];
    base += map.flipped[c] ? (size[c] - 1) * stride[map.stored[c]] : 0;
  }
  std::int64_t to = 0;
  for (std::int64_t k = 0; k < size[2]; ++k) {
    for (std::int64_t j = 0; j < size[1]; ++j) {
      std::int64_t from = base + k * step[2] + j * step[1];
      for (std::int64_t i = 0; i < size[0]; ++i, ++to, from += step[0]) { body(to, from); }
    }
  }
}

}  // namespace vox
