#include "data/synth/tumour.h"

#include <algorithm>
#include <cmath>

namespace vox {
namespace {

constexpr double kEdgeMm = 2;  // over which a part gives way to the next

RandomKey field(RandomKey key, std::uint32_t place) {
  key.place = place;
  return key;
}

}  // namespace

std::uint8_t TumourParts::label() const {
  const double core = necrosis + solid;
  if (core + rim + oedema <= 0.5) { return 0; }
  if (rim >= core && rim >= oedema) { return 4; }
  return core >= oedema ? 1 : 2;
}

Tumour::Tumour(const RandomKey& key, const PhantomOptions& options)
    : coarse_(field(key, 201), 18), fine_(field(key, 202), 7), inner_(field(key, 203), 9) {
  Draw draw(field(key, 200));
  enhancing_ = draw.between(0, 1) < 0.85;
  radius_mm_ = draw.between(18, 38);
  const double side = draw.between(-1, 1) < 0 ? -1 : 1;
  centre_ = {side * draw.between(20, 38), draw.between(-42, 42), draw.between(-8, 32)};
  enhancing_ = options.enhancing.value_or(enhancing_);
  radius_mm_ = options.tumour_radius_mm.value_or(radius_mm_);
  centre_ = options.tumour_centre_mm.value_or(centre_);
  for (std::size_t axis = 0; axis < 3; ++axis) {
    stretch_[axis] = draw.between(0.85, 1.2);
    core_centre_[axis] = centre_[axis] + draw.between(-0.12, 0.12) * radius_mm_;
  }
  core_radius_mm_ = radius_mm_ * draw.between(0.42, 0.62);
  necrotic_part_ = draw.between(0.5, 0.78);
}

TumourParts Tumour::parts(const Point& p, const Tissue& tissue) const {
  TumourParts t;
  const Point semi_axes{radius_mm_ * stretch_[0], radius_mm_ * stretch_[1], radius_mm_ * stretch_[2]};
  const double r = ellipsoid_radius(p, centre_, semi_axes);
  constexpr double kFurthest = 1.6;  // no noise reaches beyond
  if (r > kFurthest) { return t; }
  const double coarse = coarse_(p);
  const double fine = fine_(p);
  const double inner = inner_(p);

  const Point core_axes{core_radius_mm_ * stretch_[0], core_radius_mm_ * stretch_[1], core_radius_mm_ * stretch_[2]};
  const double core_r = ellipsoid_radius(p, core_centre_, core_axes) + 0.22 * inner + 0.1 * fine;
  const double core = soft_step((1 - core_r) * core_radius_mm_, kEdgeMm);
  const double necrotic_r = core_r + 0.15 * coarse;
  const double necrotic = soft_step((necrotic_part_ - necrotic_r) * core_radius_mm_, kEdgeMm);
  if (enhancing_) {
    t.necrosis = core * necrotic;
    t.rim = core * (1 - necrotic);
  } else {
    t.solid = core;
  }
  // Oedema stops at fluid and hardly enters the cortex.
  const double oedema_r = r + 0.35 * coarse + 0.15 * fine + 0.25 * tissue.grey + 0.8 * tissue.csf;
  t.oedema = (1 - core) * soft_step((1 - oedema_r) * radius_mm_, 2 * kEdgeMm);
  return t;
}

}  // namespace vox
