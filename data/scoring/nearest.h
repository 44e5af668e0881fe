#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "data/image.h"

namespace vox {

/// Points of a grid, asked for the one nearest to others of the same grid. Exact, and meant for surfaces: the work
/// grows with the distances that are found and not with the grid. Along W the nearest point of every row is known to
/// each of its voxels; along H and then D it is searched outwards until no row further away can be nearer.
class NearestPoint {
 public:
  /// points [D,H,W]: 0 none, anything else a point. At most 65534 voxels along W.
  NearestPoint(std::span<const std::uint8_t> points, const Extent3& size, const std::array<double, 3>& spacing_mm);

  [[nodiscard]] bool none() const { return rows_.empty(); }
  /// Distances in mm, between centres, of every voxel where `from` is not 0, in the order of memory; infinite where
  /// there is no point. The same bits for any number of threads.
  [[nodiscard]] std::vector<double> distances_mm(std::span<const std::uint8_t> from, int threads) const;

 private:
  class Column;
  static constexpr std::uint16_t kNone = 65535;

  Extent3 size_;
  std::array<double, 3> spacing_mm_;
  std::vector<std::int32_t> row_of_;                        ///< [D,H]: index into rows_, -1 of a row without a point
  std::vector<std::array<std::int32_t, 2>> rows_of_slice_;  ///< [D]: first row with a point, and one past the last
  std::vector<std::uint16_t> rows_;                         ///< [row, W]: voxels to the nearest point of the row
};

}  // namespace vox
