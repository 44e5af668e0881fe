#include "data/volume.h"

#include <algorithm>
#include <cmath>

#include "kernels/check.h"

namespace vox {
namespace {

std::string extents(const Geometry& g) { return fmt::format("{}x{}x{}", g.size[0], g.size[1], g.size[2]); }

}  // namespace

double grid_distance_mm(const Geometry& a, const Geometry& b) {
  double furthest = 0;
  for (unsigned corner = 0; corner < 8; ++corner) {
    std::array<double, 3> apart{};
    for (std::size_t row = 0; row < 3; ++row) {
      apart[row] = a.affine[row * 4 + 3] - b.affine[row * 4 + 3];
      for (std::size_t axis = 0; axis < 3; ++axis) {  // i, j, k are W, H, D
        const auto index = (corner >> axis & 1U) != 0 ? static_cast<double>(a.size[2 - axis] - 1) : 0.0;
        apart[row] += (a.affine[row * 4 + axis] - b.affine[row * 4 + axis]) * index;
      }
    }
    furthest = std::max(furthest, std::hypot(apart[0], apart[1], apart[2]));
  }
  return furthest;
}

void check_same_grid(const std::string& file, const Geometry& a, const std::string& other, const Geometry& b) {
  VOX_CHECK_DATA(a.size == b.size, "{} has {} voxels (D,H,W) and {} has {}: wants the same grid", file, extents(a),
                 other, extents(b));
  const double apart_mm = grid_distance_mm(a, b);
  VOX_CHECK_DATA(apart_mm <= 0.01 * *std::min_element(a.spacing_mm.begin(), a.spacing_mm.end()),
                 "{} and {} lie in different places: their affines put the same voxel {:.4g} mm apart", file, other,
                 apart_mm);
}

}  // namespace vox
