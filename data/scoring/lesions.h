#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "data/scoring/lesion_rules.h"

namespace vox {

/// One true lesion that a rule scores.
struct Lesion {
  double volume_mm3 = 0;
  bool found = false;
  double dice = 0;
  double hd95_mm = 0;       ///< not found: the penalty
  std::vector<double> nsd;  ///< surface Dice, one for each of the rule's tolerances
};

/// Of one region of one case, by one rule. NaN: the rule gives no number, and means leave the case out.
///   dilated      dice = sum over lesions / (lesions + fp); hd95 = (sum + fp * penalty) / (lesions + fp); nsd as dice;
///                without fp where the rule does not count them; nothing to divide by: dice 1, hd95 0, nsd 1
///   one to one   means over found lesions; none found: dice 0, hd95 the penalty, nsd 0; no lesion in either: NaN
/// sensitivity = tp / (tp + fn); f1 = 2 tp / (2 tp + fp + fn), in the dilated rules a count of ours beside the
/// published scores; nothing to divide by: 1 (dilated) or NaN (one to one).
struct LesionScores {
  std::string_view region;
  double dice = 0;
  double hd95_mm = 0;
  std::vector<double> nsd;
  double sensitivity = 0;
  double f1 = 0;
  std::int64_t tp = 0;  ///< lesions found, of those the rule scores (one to one: of all)
  std::int64_t fn = 0;  ///< and missed
  std::int64_t fp = 0;  ///< predicted lesions that are nowhere in the truth
  double small_f1 =
      0;  ///< where the rule has one: of the lesions below its size; NaN: there are none, or no such score
  double penalty_mm = 0;        ///< of this volume
  std::vector<Lesion> lesions;  ///< those that the means are over, by their place
};

/// Every scored region of the rule that maps which keep the classes `known` apart (a bit each) can show, in the rule's
/// order. While it runs, two 4-byte numbers are held for each voxel of the box and each region. The same bits for any
/// number of threads.
[[nodiscard]] std::vector<LesionScores> lesion_scores(const ClassPair&, const LesionRules&, std::uint8_t known,
                                                      int threads);

/// What a prediction of nothing but background gets where the scores are these: the trivial baseline.
[[nodiscard]] LesionScores nothing_found(const LesionScores&, const LesionRules&);

}  // namespace vox
