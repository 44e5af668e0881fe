#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "data/image.h"
#include "kernels/base/philox.h"

namespace vox {

/// Control points of an elastic field lie so many voxels apart.
inline constexpr std::int64_t kElasticSpacing = 32;
/// Displacements of control points up to 0.4 of their spacing fold no volume (Y. Choi and S. Lee, "Injectivity
/// conditions of 2D and 3D uniform cubic B-spline functions", Graphical Models 62, 2000).
inline constexpr double kMostElasticVoxels = 12;

/// Displacements of the voxels of a volume, smooth: u(x) = sum over control points k of B(x_d/32 - k_d) B(x_h/32 - k_h)
/// B(x_w/32 - k_w) c_k, B the uniform cubic B-spline, as in Rueckert et al., "Nonrigid registration using free-form
/// deformations", IEEE TMI 18, 1999. c_k is drawn by axis, uniform in +-voxels; no displacement exceeds that.
class ElasticField {
 public:
  /// Control point number n, along W fastest, takes numbers 0, 1 and 2 of Philox group first_group + n for D, H and W.
  ElasticField(const Extent3& size, double voxels, const RandomKey&, std::uint64_t first_group);

  /// Of row (d, h), by axis D, H, W: out[axis][w] of the width.
  void row(std::int64_t d, std::int64_t h, std::array<std::vector<float>, 3>& out) const;

 private:
  using Taps = std::array<float, 4>;

  Extent3 controls_{};                         ///< along D, H, W; the first lies one spacing in front of voxel 0
  std::array<Taps, kElasticSpacing> weights_;  ///< of four control points, by a voxel's place between them
  std::vector<std::array<float, 3>> control_;
};

}  // namespace vox
