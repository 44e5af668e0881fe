#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "data/scoring/masks.h"

namespace vox {

// The rules by which BraTS scores lesion by lesion, each year and sub-challenge its own. Sources: rachitsaluja/
// BraTS-2023-Metrics (2023), rachitsaluja/BraTS-2024-Metrics (2024 and, with surface Dice, 2025),
// BraTS/BraTS_evaluation with panoptica (2026). docs/lesions.md has the formulas and what differs.

/// What read_classes() keeps apart: 0..3, a bit each, without kCavity and kCyst.
inline constexpr std::uint8_t kPlainClasses = 0b1111;

/// One region of a rule.
struct LesionRegion {
  ScoredRegion region;
  std::uint8_t needs = 0;   ///< a bit for each class that maps have to keep apart for this region to mean what it says
  int steps = 0;            ///< of dilation by 18 neighbours
  double smallest_mm3 = 0;  ///< lesions of at most this are left out; one-to-one: those below it
  /// Regions, by index, whose lesions tie lesions of this one together, in this order: see LesionRules::regions.
  std::vector<std::size_t> tied_by = {};
  bool scored = true;  ///< false: it is there to tie others
};

enum class LesionMethod : std::uint8_t {
  dilated,    ///< 2023 to 2025: lesions are what touches when dilated, a lesion has every prediction its shape meets
  one_to_one  ///< 2026: 26-connected components, matched one to one for the largest sum of Dice
};

/// What a missed or false lesion gets for HD95, in mm.
enum class LesionPenalty : std::uint8_t {
  fixed,           ///< penalty_mm
  voxel_diagonal,  ///< sqrt(D^2 + H^2 + W^2) of the volume, in voxels: as published, whatever a voxel measures
};

struct LesionRules {
  std::string name;  ///< "brats2024-gli"
  LesionMethod method = LesionMethod::dilated;
  std::vector<LesionRegion> regions;
  LesionPenalty penalty = LesionPenalty::fixed;
  double penalty_mm = 0;
  bool merges_prediction = false;  ///< predicted lesions are merged by dilation as well, and small ones removed first
  bool small_in_voxels = false;    ///< the removal counts voxels, not mm3: as published
  bool counts_false = true;        ///< lesions that are nowhere in the truth enter the means
  std::vector<double> tolerances_mm = {};  ///< of surface Dice; empty and one_to_one: the smallest voxel edge
  double detected = 0;  ///< one-to-one: Dice from which a lesion below smallest_mm3 counts as found; 0: no such score
};

/// All of them: "brats2023-gli", ..., "brats2026-goat".
[[nodiscard]] const std::vector<LesionRules>& lesion_rules();
/// The rules of a name; "brats2023", without a sub-challenge, is GLI's. Throws Error where there are none and says what
/// to name instead.
[[nodiscard]] const LesionRules& lesion_rules_named(std::string_view name);
/// Why a name that one may expect has no rules of its own, and what to name instead; empty for other names.
[[nodiscard]] std::string_view why_no_lesion_rules(std::string_view name);
/// One line: dilation, merging, sizes, penalty, what counts.
[[nodiscard]] std::string words(const LesionRules&);
/// Scored regions that maps that keep these classes apart (a bit each) cannot show: "RC, CC".
[[nodiscard]] std::vector<std::string> missing_regions(const LesionRules&, std::uint8_t classes);

}  // namespace vox
