#include "data/postprocess/postprocess.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "data/cases/regions.h"
#include "kernels/base/check.h"

namespace vox {
namespace {

std::size_t at(std::int64_t i) { return static_cast<std::size_t>(i); }

constexpr std::array<std::uint8_t, kRegions.size()> kClassWithout{0, 2, 1};  // of what leaves WT, TC, ET

/// The part of a segmentation that is not background, with a voxel around it where there is one: all that rules look
/// at.
class Cut {
 public:
  explicit Cut(const LabelMap& classes) : whole_(classes.geometry.size) {
    Extent3 low = whole_;
    Extent3 high{-1, -1, -1};
    std::size_t v = 0;
    for (std::int64_t d = 0; d < whole_[0]; ++d) {
      for (std::int64_t h = 0; h < whole_[1]; ++h) {
        for (std::int64_t w = 0; w < whole_[2]; ++w, ++v) {
          if (classes.values[v] == 0) { continue; }
          low = {std::min(low[0], d), std::min(low[1], h), std::min(low[2], w)};
          high = {std::max(high[0], d), std::max(high[1], h), std::max(high[2], w)};
        }
      }
    }
    if (high[0] < 0) { return; }
    for (std::size_t a = 0; a < 3; ++a) {
      box_.start[a] = std::max<std::int64_t>(0, low[a] - 1);
      box_.size[a] = std::min(whole_[a], high[a] + 2) - box_.start[a];
    }
    classes_.resize(at(box_.size[0] * box_.size[1] * box_.size[2]));
    rows([&](std::int64_t cut, std::int64_t of_whole) {
      std::copy_n(classes.values.data() + of_whole, box_.size[2], classes_.data() + cut);
    });
  }

  [[nodiscard]] bool empty() const { return classes_.empty(); }
  [[nodiscard]] const Extent3& size() const { return box_.size; }
  [[nodiscard]] std::vector<std::uint8_t>& classes() { return classes_; }

  /// Writes the part back; returns how many voxels are others.
  std::int64_t put_back(LabelMap& classes) const {
    std::int64_t changed = 0;
    rows([&](std::int64_t cut, std::int64_t of_whole) {
      for (std::int64_t w = 0; w < box_.size[2]; ++w) {
        std::uint8_t& to = classes.values[at(of_whole + w)];
        changed += to != classes_[at(cut + w)] ? 1 : 0;
        to = classes_[at(cut + w)];
      }
    });
    return changed;
  }

 private:
  template <class Body> void rows(const Body& body) const {
    for (std::int64_t d = 0; d < box_.size[0]; ++d) {
      for (std::int64_t h = 0; h < box_.size[1]; ++h) {
        const std::int64_t row = (d + box_.start[0]) * whole_[1] + h + box_.start[1];
        body((d * box_.size[1] + h) * box_.size[2], row * whole_[2] + box_.start[2]);
      }
    }
  }

  Extent3 whole_;
  Box box_;
  std::vector<std::uint8_t> classes_;
};

/// 1 where a voxel is in the region (or is not, for inside false), 0 elsewhere.
std::vector<std::uint8_t> mask_of(const std::vector<std::uint8_t>& classes, Region region, bool inside) {
  std::vector<std::uint8_t> mask(classes.size());
  std::ranges::transform(classes, mask.begin(),
                         [&](std::uint8_t c) { return static_cast<std::uint8_t>(in_region(region, c) == inside); });
  return mask;
}

/// Components of a region for which keep(component) is false leave it.
template <class Keep> void sieve(Cut& cut, Region region, Connectivity connectivity, const Keep& keep) {
  const Components c = connected_components(mask_of(cut.classes(), region, true), cut.size(), connectivity);
  std::vector<bool> stays;
  for (std::size_t i = 0; i < c.voxels.size(); ++i) { stays.push_back(keep(c, i)); }
  for (std::size_t v = 0; v < c.of_voxel.size(); ++v) {
    const std::int32_t number = c.of_voxel[v];
    if (number != 0 && !stays[at(number - 1)]) { cut.classes()[v] = kClassWithout[static_cast<std::size_t>(region)]; }
  }
}

void fill_holes(Cut& cut, Region region) {
  const Extent3& s = cut.size();
  const Components c = connected_components(mask_of(cut.classes(), region, false), s, Connectivity::faces);
  std::vector<bool> outside(c.voxels.size() + 1);  // touches the border of what was cut out
  std::size_t v = 0;
  for (std::int64_t d = 0; d < s[0]; ++d) {
    for (std::int64_t h = 0; h < s[1]; ++h) {
      for (std::int64_t w = 0; w < s[2]; ++w, ++v) {
        const bool border = d == 0 || h == 0 || w == 0 || d + 1 == s[0] || h + 1 == s[1] || w + 1 == s[2];
        if (border) { outside[at(c.of_voxel[v])] = true; }
      }
    }
  }
  for (v = 0; v < c.of_voxel.size(); ++v) {
    const std::int32_t number = c.of_voxel[v];
    if (number != 0 && !outside[at(number)]) { cut.classes()[v] = kClassOfRegion[static_cast<std::size_t>(region)]; }
  }
}

}  // namespace

std::int64_t postprocess(LabelMap& classes, const PostprocessRules& rules) {
  VOX_CHECK(std::ssize(classes.values) == classes.geometry.voxels(), "postprocess: {} labels for {} voxels",
            classes.values.size(), classes.geometry.voxels());
  Cut cut(classes);
  if (cut.empty()) { return 0; }
  const auto& spacing = classes.geometry.spacing_mm;
  const double voxel_mm3 = spacing[0] * spacing[1] * spacing[2];
  for (const Region r : kRegions) {
    if (!rules.keep_largest[static_cast<std::size_t>(r)]) { continue; }
    sieve(cut, r, rules.connectivity, [](const Components& c, std::size_t i) {
      return i == static_cast<std::size_t>(std::ranges::max_element(c.voxels) - c.voxels.begin());
    });
  }
  for (const Region r : kRegions) {
    const double least = rules.min_component_mm3[static_cast<std::size_t>(r)];
    if (least <= 0) { continue; }
    sieve(cut, r, rules.connectivity,
          [&](const Components& c, std::size_t i) { return static_cast<double>(c.voxels[i]) * voxel_mm3 >= least; });
  }
  const auto enhancing = static_cast<double>(
      std::ranges::count_if(cut.classes(), [](std::uint8_t c) { return in_region(Region::et, c); }));
  if (enhancing * voxel_mm3 < rules.min_enhancing_mm3) {
    for (std::uint8_t& c : cut.classes()) {
      if (in_region(Region::et, c)) { c = kClassWithout[static_cast<std::size_t>(Region::et)]; }
    }
  }
  for (const Region r : kRegions) {
    if (rules.fill_holes[static_cast<std::size_t>(r)]) { fill_holes(cut, r); }
  }
  return cut.put_back(classes);
}

}  // namespace vox
