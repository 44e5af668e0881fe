#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "data/image.h"
#include "data/scoring/lesion_rules.h"

namespace vox {

/// Two maps with a margin around what is not background in either, as far as the volume goes.
struct LesionCut {
  Extent3 size{};
  std::vector<std::uint8_t> truth;
  std::vector<std::uint8_t> predicted;
};
[[nodiscard]] LesionCut with_margin(const ClassPair&, std::int64_t margin);

/// The lesions of one region in one of the two maps.
struct LesionTissue {
  std::uint8_t classes = 0;
  std::vector<std::int32_t> shape;  ///< of a voxel: number of the dilated component it is in, from 1; 0 outside
  std::vector<std::int32_t> group;  ///< of a number: the lesion it is part of, from 1; 0: removed
  std::int32_t groups = 0;

  [[nodiscard]] bool inside(std::uint8_t cls) const { return (classes >> cls & 1U) != 0; }
  /// The lesion that a voxel of class cls is in; 0 for none.
  [[nodiscard]] std::int32_t lesion(std::size_t v, std::uint8_t cls) const {
    return inside(cls) ? group[static_cast<std::size_t>(shape[v])] : 0;
  }
};

/// steps 0: plain 26-connected components. Otherwise the components of the dilated region; as every dilated component
/// is the dilated shape of the voxels in it, a lesion's own dilation is never needed again.
/// Components of at most remove_voxels are taken out (-1: none).
[[nodiscard]] LesionTissue find_lesions(std::span<const std::uint8_t> classes, const Extent3& size, const LesionRegion&,
                                        int steps, double remove_voxels);

/// The groups of `own` after its lesions became one where the first neighbour lesion that touches them (by 18
/// neighbours) is the same, for one tissue of neighbours after another. Of several neighbours the first counts, in the
/// order of their shapes' first voxels along W, then H, then D: that is how the published script numbers them, and its
/// result depends on it.
[[nodiscard]] std::vector<std::int32_t> tied_groups(const LesionTissue& own,
                                                    std::span<const LesionTissue* const> neighbours,
                                                    std::span<const std::uint8_t> classes, const Extent3& size);

/// Voxels that a lesion and a predicted lesion share; 0 where only the lesion's dilated shape meets it.
struct LesionOverlap {
  std::int32_t lesion = 0;
  std::int32_t predicted = 0;
  std::int64_t voxels = 0;
};

struct LesionPlaces {
  std::vector<std::int64_t> voxels;  ///< of lesion i, from 1
  std::vector<Box> boxes;
};

struct LesionOverlaps {
  std::vector<LesionOverlap> pairs;  ///< sorted by lesion, then by predicted lesion
  LesionPlaces truth;
  LesionPlaces predicted;
};
[[nodiscard]] LesionOverlaps find_overlaps(const LesionTissue& truth, const LesionTissue& predicted, const LesionCut&);

}  // namespace vox
