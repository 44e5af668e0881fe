#pragma once

#include <cstdint>

#include "data/synth/head.h"
#include "data/synth/phantom.h"

namespace vox {

/// How much of each part of the tumour a point holds; the rest is healthy.
struct TumourParts {
  double necrosis = 0;
  double solid = 0;  ///< non-enhancing core of a tumour that does not enhance
  double rim = 0;    ///< enhancing
  double oedema = 0;
  [[nodiscard]] std::uint8_t label() const;  ///< BraTS number of what fills more than half of the point
};

/// Nested as gliomas are: a necrotic core in an enhancing rim, or a solid core that does not enhance, inside oedema
/// that follows the white matter. Every surface is an ellipsoid bent by noise.
class Tumour {
 public:
  Tumour(const RandomKey&, const PhantomOptions&);
  [[nodiscard]] TumourParts parts(const Point&, const Tissue&) const;

 private:
  bool enhancing_ = true;
  Point centre_{};
  Point core_centre_{};
  Point stretch_{};
  double radius_mm_ = 0;
  double core_radius_mm_ = 0;
  double necrotic_part_ = 0;
  NoiseField coarse_;
  NoiseField fine_;
  NoiseField inner_;
};

}  // namespace vox
