#pragma once

#include "data/synth/noise.h"

namespace vox {

/// How much of each tissue a point holds: csf + grey + white = 1 inside the brain, all 0 outside.
struct Tissue {
  double csf = 0;
  double grey = 0;
  double white = 0;
  [[nodiscard]] bool is_brain() const { return csf + grey + white > 0; }
};

/// 0 below -width/2, 1 above width/2, smooth between.
[[nodiscard]] double soft_step(double x, double width);
/// 1 on the surface of the ellipsoid, 0 in its centre.
[[nodiscard]] double ellipsoid_radius(const Point&, const Point& centre, const Point& semi_axes);

/// A brain: cerebrum with folded cortex and a fissure between its halves, cerebellum, brain stem, ventricles, deep grey
/// nuclei. Sizes are those of an adult's; each seed gives another one, off the middle of the grid as in BraTS.
class Head {
 public:
  explicit Head(const RandomKey&);
  [[nodiscard]] Tissue tissue(const Point&) const;

 private:
  [[nodiscard]] double outline(const Point& from_centre) const;
  [[nodiscard]] double ventricles(const Point& from_centre) const;
  [[nodiscard]] double deep_grey(const Point& from_centre) const;

  Point centre_{};
  Point semi_axes_{};
  double ventricle_scale_ = 1;
  NoiseField shape_;
  NoiseField folds_;
  NoiseField fine_folds_;
  NoiseField blobs_;
};

}  // namespace vox
