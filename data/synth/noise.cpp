#include "data/synth/noise.h"

#include <algorithm>
#include <cmath>

namespace vox {
namespace {

constexpr Point kHalfExtentMm{121, 121, 79};  // a little more than the grid, so that no voxel leaves the lattice

}  // namespace

NoiseField::NoiseField(const RandomKey& key, double wavelength_mm) : wavelength_mm_(wavelength_mm) {
  for (std::size_t axis = 0; axis < 3; ++axis) {
    points_[axis] = static_cast<std::int64_t>(std::ceil(2 * kHalfExtentMm[axis] / wavelength_mm)) + 2;
  }
  lattice_.resize(static_cast<std::size_t>(points_[0] * points_[1] * points_[2]));
  for (std::size_t at = 0; at < lattice_.size(); at += 4) {
    const Philox4 random = random4(key, at / 4);
    for (std::size_t i = 0; i < std::min<std::size_t>(4, lattice_.size() - at); ++i) {
      lattice_[at + i] = static_cast<float>(2 * unit(random.v[i]) - 1);
    }
  }
}

double NoiseField::operator()(const Point& p) const {
  std::array<std::int64_t, 3> cell{};
  std::array<double, 3> t{};
  for (std::size_t axis = 0; axis < 3; ++axis) {
    const double at =
        std::clamp((p[axis] + kHalfExtentMm[axis]) / wavelength_mm_, 0.0, static_cast<double>(points_[axis] - 2));
    const double floor = std::floor(at);
    cell[axis] = std::min(static_cast<std::int64_t>(floor), points_[axis] - 2);
    const double f = at - static_cast<double>(cell[axis]);
    t[axis] = f * f * (3 - 2 * f);
  }
  const std::int64_t row = points_[0];
  const std::int64_t plane = points_[0] * points_[1];
  const float* const corner = lattice_.data() + cell[2] * plane + cell[1] * row + cell[0];
  const auto along_x = [&](std::int64_t offset) {
    return corner[offset] + t[0] * static_cast<double>(corner[offset + 1] - corner[offset]);
  };
  const auto along_y = [&](std::int64_t offset) {
    const double low = along_x(offset);
    return low + t[1] * (along_x(offset + row) - low);
  };
  const double low = along_y(0);
  return low + t[2] * (along_y(plane) - low);
}

}  // namespace vox
