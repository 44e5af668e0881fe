#pragma once

#include <cstdint>
#include <vector>

#include "data/scoring/lesion_tissue.h"
#include "data/scoring/lesions.h"

namespace vox {

/// What all regions of a case share while lesion_scores() runs.
struct LesionVolume {
  const ClassPair& classes;
  const LesionRules& rules;
  LesionCut cut;
  double voxel_mm3 = 0;
  double penalty_mm = 0;
  std::vector<double> tolerances_mm;
};

/// One region.
struct LesionWork {
  LesionTissue truth;
  LesionTissue predicted;
  LesionOverlaps overlaps;
  std::vector<std::int32_t> numbers;               ///< of LesionScores::lesions
  std::vector<std::vector<std::int32_t>> matches;  ///< their predicted lesions

  [[nodiscard]] LesionTissue& of(bool is_truth) { return is_truth ? truth : predicted; }
};

/// Who is found by what: the numbers of lesions and, of each, volume, found and dice; the penalty for the rest.
[[nodiscard]] LesionScores match_lesions(const LesionVolume&, const LesionRegion&, LesionWork&);

/// sensitivity and f1 from tp, fp and fn.
void count_scores(LesionScores&, const LesionRules&);

}  // namespace vox
