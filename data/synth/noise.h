#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "kernels/base/philox.h"

namespace vox {

using Point = std::array<double, 3>;  ///< mm to L, P, S from the centre of the grid

/// Numbers of one phantom, one after the other: the same for the same key.
class Draw {
 public:
  explicit Draw(const RandomKey& key) : key_(key) {}
  [[nodiscard]] double between(double low, double high) {
    return low + (high - low) * unit(random4(key_, next_++).v[0]);
  }

 private:
  RandomKey key_;
  std::uint64_t next_ = 0;
};

/// Smooth random values in [-1,1]: independent uniforms on a cubic lattice of edge wavelength_mm, blended with the
/// cubic 3t^2-2t^3 ("value noise").
class NoiseField {
 public:
  NoiseField(const RandomKey&, double wavelength_mm);
  [[nodiscard]] double operator()(const Point&) const;

 private:
  double wavelength_mm_;
  std::array<std::int64_t, 3> points_{};
  std::vector<float> lattice_;
};

}  // namespace vox
