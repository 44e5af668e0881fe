#include "data/scoring/hd95.h"

namespace vox {

double hd95_mm(const MaskPair& masks, int threads) {
  if (masks.no_truth() && masks.no_prediction()) { return 0.0; }
  if (masks.no_truth() || masks.no_prediction()) { return kHd95PenaltyMm; }
  return hd95_pooled_mm(surface_distances(masks, threads));
}

double hd95_mm(const LabelMap& truth, const LabelMap& predicted, int threads) {
  return hd95_mm(mask_pair(truth, predicted), threads);
}

}  // namespace vox
