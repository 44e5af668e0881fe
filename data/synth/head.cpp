#include "data/synth/head.h"

#include <algorithm>
#include <cmath>

namespace vox {
namespace {

constexpr double kEdgeMm = 1.5;  // over which one tissue becomes the next: partial volume

Point minus(const Point& a, const Point& b) { return {a[0] - b[0], a[1] - b[1], a[2] - b[2]}; }

RandomKey field(RandomKey key, std::uint32_t place) {
  key.place = place;
  return key;
}

}  // namespace

double soft_step(double x, double width) {
  const double t = std::clamp(x / width + 0.5, 0.0, 1.0);
  return t * t * (3 - 2 * t);
}

double ellipsoid_radius(const Point& p, const Point& centre, const Point& semi_axes) {
  double squared = 0;
  for (std::size_t axis = 0; axis < 3; ++axis) {
    const double t = (p[axis] - centre[axis]) / semi_axes[axis];
    squared += t * t;
  }
  return std::sqrt(squared);
}

Head::Head(const RandomKey& key)
    : shape_(field(key, 101), 22),
      folds_(field(key, 102), 10),
      fine_folds_(field(key, 103), 6),
      blobs_(field(key, 104), 14) {
  Draw draw(field(key, 100));
  const double side = draw.between(-1, 1) < 0 ? -1 : 1;
  centre_ = {side * draw.between(4, 7), draw.between(-4, 4), draw.between(3, 7)};
  semi_axes_ = {draw.between(63, 69), draw.between(80, 88), draw.between(58, 63)};
  ventricle_scale_ = draw.between(0.8, 1.4);
}

/// Depth below the surface in units of the brain's radius; negative outside. The largest of cerebrum, cerebellum, stem.
double Head::outline(const Point& q) const {
  const double frontal = std::max(-q[1] / semi_axes_[1], 0.0);
  const double lower = q[2] < 0 ? 0.72 : 1.0;  // the base is flat
  const Point cerebrum{semi_axes_[0] * (1 - 0.22 * frontal * frontal), semi_axes_[1], semi_axes_[2] * lower};
  const double r = std::min({ellipsoid_radius(q, {0, 0, 0}, cerebrum), ellipsoid_radius(q, {0, 44, -40}, {46, 30, 22}),
                             ellipsoid_radius(q, {0, 16, -50}, {13, 14, 26})});
  constexpr double kReach = 0.15;  // the surface is bumpy, the inside keeps its depth
  const double bumps = std::max(1 - std::abs(r - 1) / kReach, 0.0);
  return 1 - r + 0.05 * bumps * shape_(q);
}

double Head::ventricles(const Point& q) const {
  const double side = std::abs(q[0]);
  const Point lateral{7 * ventricle_scale_, 33, 10 * ventricle_scale_};
  const double bend = 10 + 0.004 * (q[1] - 5) * (q[1] - 5) / ventricle_scale_;  // the horns part towards their ends
  const double r = std::min(ellipsoid_radius({side, q[1], q[2]}, {bend, 4, 9}, lateral),
                            ellipsoid_radius(q, {0, 10, -6}, {2.5 * ventricle_scale_, 12, 10}));
  return soft_step((1 - r) * 7, kEdgeMm);
}

double Head::deep_grey(const Point& q) const {
  const Point mirrored{std::abs(q[0]), q[1], q[2]};
  const double r = std::min(ellipsoid_radius(mirrored, {11, 14, -1}, {8, 14, 9}),
                            ellipsoid_radius(mirrored, {25, -4, -1}, {7, 19, 11}));
  return 0.8 * soft_step((1 - r) * 9, kEdgeMm);
}

Tissue Head::tissue(const Point& p) const {
  const Point q = minus(p, centre_);
  const double depth = outline(q);
  if (!(depth > 0)) { return {}; }
  const double depth_mm = depth * 64;
  // Sulci run along the zero lines of a noise field: there the surface dips in.
  const Point bent{q[0] + 5 * shape_(q), q[1] + 5 * blobs_(q), q[2]};
  const bool cerebellum = ellipsoid_radius(q, {0, 44, -40}, {46, 30, 22}) < 1 && q[2] < -18;
  const double fold = cerebellum
                          ? 0.5 * std::abs(std::sin(q[2] * 1.1 + 2 * shape_(q))) + 0.5 * std::abs(fine_folds_(bent))
                          : std::abs(0.75 * folds_(bent) + 0.25 * fine_folds_(bent));
  const double sulcus_mm = (cerebellum ? 8 : 21) * std::max(1 - fold / 0.26, 0.0);
  const double cortex_depth_mm = depth_mm - sulcus_mm;
  const double fissure = q[2] > -18 && depth < 0.62 ? soft_step(1.1 - std::abs(q[0] + 1.5 * blobs_(q)), kEdgeMm) : 0.0;

  Tissue t;
  const double sulcal_csf = soft_step(-7 - cortex_depth_mm, 5) * soft_step(14 - depth_mm, 8);
  const double rim_csf = 0.5 * soft_step(1.2 - depth_mm, kEdgeMm);
  t.csf = std::max({sulcal_csf, rim_csf, fissure, ventricles(q)});
  const double near_fissure = q[2] > -18 && depth < 0.62 ? soft_step(5 - std::abs(q[0]), kEdgeMm) : 0.0;
  const double grey = std::max({soft_step(4 - cortex_depth_mm, 2.5), deep_grey(q), near_fissure});
  t.grey = (1 - t.csf) * grey;
  t.white = (1 - t.csf) * (1 - grey);
  return t;
}

}  // namespace vox
