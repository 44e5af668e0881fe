#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "data/image.h"
#include "kernels/base/sampling.h"

namespace vox {

/// Points of a row, those of [first, last).
struct Run {
  std::int64_t first = 0;
  std::int64_t last = 0;
};

/// Where the voxels of an output row come from in a volume [D,H,W]: each point among its eight neighbours. Arrays are
/// by axis D, H, W.
struct PointRow {
  explicit PointRow(std::int64_t width);
  [[nodiscard]] std::int64_t width() const { return std::ssize(offset); }

  std::array<std::vector<float>, 3> point;
  std::array<std::vector<std::int32_t>, 3> low;  ///< of the lowest neighbour
  std::array<std::vector<float>, 3> weight;      ///< of the upper neighbour
  std::vector<std::int64_t> offset;              ///< in a volume, of the lowest neighbour of points inside
  Run touching;                                  ///< all others have no neighbour in the volume
  Run inside;                                    ///< all of these have all eight there
};

/// The points of a line.
void place_on_line(PointRow&, const SampleLine&, const Extent3& size);
/// Any points: those in `point`.
void place_points(PointRow&, const Extent3& size);

/// Trilinear, 0 outside the volume. out [width].
void interpolate_row(const float* volume, const Extent3& size, const PointRow&, float* out);
/// The nearest voxel, 0 outside the volume.
void nearest_row(const std::uint8_t* volume, const Extent3& size, const PointRow&, std::uint8_t* out);
/// The value whose neighbours weigh most in the trilinear sum, which is the greatest of the values' interpolated masks;
/// the lower one of equals. Values are below kMostValues, and 0 outside the volume.
inline constexpr std::size_t kMostValues = 8;
void heaviest_row(const std::uint8_t* volume, const Extent3& size, const PointRow&, std::uint8_t* out);

}  // namespace vox
