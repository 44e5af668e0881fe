#include "data/scoring/lesion_tissue.h"

#include <algorithm>
#include <array>
#include <limits>
#include <numeric>
#include <unordered_map>

#include "data/scoring/components.h"
#include "data/scoring/dilate.h"

namespace vox {
namespace {

constexpr std::int64_t kNowhere = std::numeric_limits<std::int64_t>::max();

std::size_t at(std::int64_t i) { return static_cast<std::size_t>(i); }

/// low and high (one past the last) of boxes as they grow.
struct Corners {
  Extent3 low{kNowhere, kNowhere, kNowhere};
  Extent3 high{};

  void add(std::int64_t d, std::int64_t h, std::int64_t from, std::int64_t to) {
    low = {std::min(low[0], d), std::min(low[1], h), std::min(low[2], from)};
    high = {std::max(high[0], d + 1), std::max(high[1], h + 1), std::max(high[2], to)};
  }
  [[nodiscard]] Box box() const {
    if (high[0] == 0) { return {}; }
    return {.start = low, .size = {high[0] - low[0], high[1] - low[1], high[2] - low[2]}};
  }
};

std::vector<std::uint8_t> widened(std::span<const std::uint8_t> part, const Box& from, const Box& to) {
  std::vector<std::uint8_t> wide(at(to.size[0] * to.size[1] * to.size[2]));
  for (std::int64_t d = 0; d < from.size[0]; ++d) {
    for (std::int64_t h = 0; h < from.size[1]; ++h) {
      const std::int64_t row = (d + from.start[0] - to.start[0]) * to.size[1] + h + from.start[1] - to.start[1];
      std::copy_n(part.begin() + (d * from.size[1] + h) * from.size[2], from.size[2],
                  wide.begin() + row * to.size[2] + from.start[2] - to.start[2]);
    }
  }
  return wide;
}

std::vector<std::uint8_t> mask_of(std::span<const std::uint8_t> classes, std::uint8_t wanted) {
  std::array<std::uint8_t, 256> inside{};
  for (std::size_t c = 0; c < 8; ++c) { inside[c] = wanted >> c & 1U; }
  std::vector<std::uint8_t> mask(classes.size());
  std::ranges::transform(classes, mask.begin(), [&](std::uint8_t c) { return inside[c]; });
  return mask;
}

/// For each number, the place of its shape's first voxel along W, then H, then D.
std::vector<std::int64_t> first_places(const LesionTissue& tissue, const Extent3& size) {
  std::vector<std::int64_t> first(tissue.group.size(), kNowhere);
  std::size_t v = 0;
  for (std::int64_t d = 0; d < size[0]; ++d) {
    for (std::int64_t h = 0; h < size[1]; ++h) {
      for (std::int64_t w = 0; w < size[2]; ++w, ++v) {
        if (tissue.shape[v] == 0) { continue; }
        std::int64_t& place = first[at(tissue.shape[v])];
        place = std::min(place, (w * size[1] + h) * size[0] + d);
      }
    }
  }
  return first;
}

/// Calls visit(v) for the voxel itself and its 18 neighbours within the volume.
template <class Visit>
void near(std::int64_t d, std::int64_t h, std::int64_t w, const Extent3& size, const Visit& visit) {
  for (std::int64_t dd = -1; dd <= 1; ++dd) {
    for (std::int64_t dh = -1; dh <= 1; ++dh) {
      for (std::int64_t dw = -1; dw <= 1; ++dw) {
        if (dd != 0 && dh != 0 && dw != 0) { continue; }
        if (d + dd < 0 || d + dd >= size[0] || h + dh < 0 || h + dh >= size[1] || w + dw < 0 || w + dw >= size[2]) {
          continue;
        }
        visit(at(((d + dd) * size[1] + h + dh) * size[2] + w + dw));
      }
    }
  }
}

/// For each lesion of `own`, whose lesions are now `group`, the first place of the first neighbour that touches it.
std::vector<std::int64_t> first_neighbours(const LesionTissue& own, std::span<const std::int32_t> group,
                                           const LesionTissue& neighbour, std::span<const std::uint8_t> classes,
                                           const Extent3& size) {
  std::vector<std::int64_t> first(group.size(), kNowhere);
  if (own.groups == 0 || neighbour.groups == 0) { return first; }
  const std::vector<std::int64_t> place_of = first_places(neighbour, size);
  const std::vector<std::uint8_t> reach = dilated(mask_of(classes, neighbour.classes), size, 1);
  std::size_t v = 0;
  for (std::int64_t d = 0; d < size[0]; ++d) {
    for (std::int64_t h = 0; h < size[1]; ++h) {
      for (std::int64_t w = 0; w < size[2]; ++w, ++v) {
        if (reach[v] == 0 || !own.inside(classes[v]) || own.group[at(own.shape[v])] == 0) { continue; }
        std::int64_t& place = first[at(group[at(own.shape[v])])];
        near(d, h, w, size, [&](std::size_t n) {
          if (neighbour.lesion(n, classes[n]) != 0) { place = std::min(place, place_of[at(neighbour.shape[n])]); }
        });
      }
    }
  }
  return first;
}

}  // namespace

LesionCut with_margin(const ClassPair& classes, std::int64_t margin) {
  Box wide = classes.box;
  if (margin == 0 || wide.size[0] == 0) { return {wide.size, classes.truth, classes.predicted}; }
  for (std::size_t k = 0; k < 3; ++k) {
    const std::int64_t end = wide.start[k] + wide.size[k];
    wide.start[k] = std::max<std::int64_t>(0, wide.start[k] - margin);
    wide.size[k] = std::min(classes.whole.size[k], end + margin) - wide.start[k];
  }
  return {wide.size, widened(classes.truth, classes.box, wide), widened(classes.predicted, classes.box, wide)};
}

LesionTissue find_lesions(std::span<const std::uint8_t> classes, const Extent3& size, const LesionRegion& region,
                          int steps, double remove_voxels) {
  const std::vector<std::uint8_t> mask = mask_of(classes, region.region.classes);
  Components found = connected_components(steps == 0 ? mask : dilated(mask, size, steps), size, Connectivity::corners);
  LesionTissue tissue{.classes = region.region.classes, .shape = std::move(found.of_voxel), .group = {}, .groups = 0};
  tissue.group.resize(found.voxels.size() + 1);
  std::iota(tissue.group.begin(), tissue.group.end(), 0);
  tissue.groups = static_cast<std::int32_t>(found.voxels.size());
  if (remove_voxels < 0) { return tissue; }
  std::vector<std::int64_t> voxels(tissue.group.size());
  for (std::size_t v = 0; v < mask.size(); ++v) {
    if (mask[v] != 0) { ++voxels[at(tissue.shape[v])]; }
  }
  for (std::size_t k = 1; k < voxels.size(); ++k) {
    if (static_cast<double>(voxels[k]) <= remove_voxels) { tissue.group[k] = 0; }
  }
  return tissue;
}

std::vector<std::int32_t> tied_groups(const LesionTissue& own, std::span<const LesionTissue* const> neighbours,
                                      std::span<const std::uint8_t> classes, const Extent3& size) {
  std::vector<std::int32_t> group = own.group;
  for (const LesionTissue* const neighbour : neighbours) {
    const std::vector<std::int64_t> first = first_neighbours(own, group, *neighbour, classes, size);
    std::unordered_map<std::int64_t, std::int32_t> known;
    std::vector<std::int32_t> becomes(first.size());
    for (std::size_t k = 1; k < first.size(); ++k) {
      const auto number = static_cast<std::int32_t>(k);
      becomes[k] = first[k] == kNowhere ? number : known.try_emplace(first[k], number).first->second;
    }
    for (std::int32_t& lesion : group) { lesion = becomes[at(lesion)]; }
  }
  return group;
}

LesionOverlaps find_overlaps(const LesionTissue& truth, const LesionTissue& predicted, const LesionCut& part) {
  LesionOverlaps found;
  found.truth.voxels.resize(at(truth.groups) + 1);
  found.predicted.voxels.resize(at(predicted.groups) + 1);
  std::vector<Corners> of_truth(at(truth.groups) + 1);
  std::vector<Corners> of_predicted(at(predicted.groups) + 1);
  std::unordered_map<std::int64_t, std::size_t> known;
  std::int64_t last = -1;
  std::size_t pair = 0;
  const Extent3& size = part.size;
  std::size_t v = 0;
  for (std::int64_t d = 0; d < size[0]; ++d) {
    for (std::int64_t h = 0; h < size[1]; ++h) {
      for (std::int64_t w = 0; w < size[2]; ++w, ++v) {
        const std::int32_t reach = truth.group[at(truth.shape[v])];
        const std::int32_t lesion = truth.inside(part.truth[v]) ? reach : 0;
        const std::int32_t other = predicted.lesion(v, part.predicted[v]);
        if (lesion != 0) {
          ++found.truth.voxels[at(lesion)];
          of_truth[at(lesion)].add(d, h, w, w + 1);
        }
        if (other == 0) { continue; }
        ++found.predicted.voxels[at(other)];
        of_predicted[at(other)].add(d, h, w, w + 1);
        if (reach == 0) { continue; }
        const std::int64_t key = (static_cast<std::int64_t>(reach) << 32) + other;
        if (key != last) {
          last = key;
          const auto [place, fresh] = known.try_emplace(key, found.pairs.size());
          if (fresh) { found.pairs.push_back({.lesion = reach, .predicted = other, .voxels = 0}); }
          pair = place->second;
        }
        found.pairs[pair].voxels += lesion != 0 ? 1 : 0;
      }
    }
  }
  for (const Corners& c : of_truth) { found.truth.boxes.push_back(c.box()); }
  for (const Corners& c : of_predicted) { found.predicted.boxes.push_back(c.box()); }
  std::ranges::sort(found.pairs, {}, [](const LesionOverlap& o) { return std::pair{o.lesion, o.predicted}; });
  return found;
}

}  // namespace vox
