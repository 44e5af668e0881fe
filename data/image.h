#pragma once

#include <array>
#include <cstdint>

#include "kernels/base/large_vector.h"

namespace vox {

using Extent3 = std::array<std::int64_t, 3>;  ///< voxels along D, H, W

struct Box {
  Extent3 start{};  ///< first voxel
  Extent3 size{};   ///< voxels
  friend bool operator==(const Box&, const Box&) = default;
};

/// Where a volume lies in the patient. Every volume in memory is in one canonical order, LPS, which is how BraTS stores
/// its files: index i grows to the patient's Left, j to Posterior, k to Superior. Memory is [D,H,W] = [k,j,i], i
/// fastest.
struct Geometry {
  std::array<std::int64_t, 3> size{};  ///< voxels along D, H, W
  std::array<double, 3> spacing_mm{};  ///< voxel edge along D, H, W, > 0
  std::array<double, 12> affine{};     ///< 3x4, row-major: (x,y,z) in mm, RAS+ as NIfTI has it, of voxel (i,j,k,1)

  [[nodiscard]] std::int64_t voxels() const { return size[0] * size[1] * size[2]; }
  friend bool operator==(const Geometry&, const Geometry&) = default;
};

template <class T> struct Volume {
  Geometry geometry;
  LargeVector<T> values;  ///< [D,H,W]

  [[nodiscard]] std::int64_t index(std::int64_t d, std::int64_t h, std::int64_t w) const {
    return (d * geometry.size[1] + h) * geometry.size[2] + w;
  }
};

using Image = Volume<float>;
using LabelMap = Volume<std::uint8_t>;

}  // namespace vox
