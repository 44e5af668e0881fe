#include "data/check/same_place.h"

#include <algorithm>
#include <cmath>

#include "kernels/base/check.h"

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

bool same_place(const Geometry& a, const Geometry& b) {
  return a.size == b.size && grid_distance_mm(a, b) <= place_tolerance_mm(a);
}

void check_same_place(const std::string& file, const Geometry& a, const std::string& other, const Geometry& b) {
  VOX_CHECK_DATA(a.size == b.size, "{} has {} voxels (D,H,W) and {} has {}: wants the same grid", file, extents(a),
                 other, extents(b));
  VOX_CHECK_DATA(same_place(a, b),
                 "{} and {} lie in different places: their affines put the same voxel {:.4g} mm apart; wants {:.4g} mm "
                 "or less",
                 file, other, grid_distance_mm(a, b), place_tolerance_mm(a));
}

}  // namespace vox
