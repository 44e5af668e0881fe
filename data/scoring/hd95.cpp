#include "data/scoring/hd95.h"

namespace vox {

double hd95_mm(ScoredCase& scored, const ScoredRegion& region) {
  const MaskPair& masks = scored.masks(region);
  if (masks.no_truth() && masks.no_prediction()) { return 0.0; }
  if (masks.no_truth() || masks.no_prediction()) { return kHd95PenaltyMm; }
  return hd95_pooled_mm(scored.surfaces(region));
}

}  // namespace vox
