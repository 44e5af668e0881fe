#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "data/prepare/prepared_case.h"

namespace vox {

/// The grid of a case at another spacing: along each axis round(box * spacing / wanted) voxels (halves to even, as
/// nnU-Net's compute_new_shape), at least 1; wanted of 0 keeps the box. Throws DataError naming `file` above 1024.
[[nodiscard]] Extent3 native_size(const Geometry& source, const Box&, const std::array<double, 3>& wanted_mm,
                                  const std::string& file);

/// A standardised image of extents `from` at those of `to`: resize_cubic(), and 0 where less than half of a voxel, by
/// trilinear interpolation of the mask, is brain. nnU-Net lets the spline ring around the brain; here 0 goes on to mean
/// outside. values, brain: [D,H,W] of `from`.
[[nodiscard]] LargeVector<float> native_image(std::span<const float> values, std::span<const std::uint8_t> brain,
                                              const Extent3& from, const Extent3& to, int threads);

}  // namespace vox
