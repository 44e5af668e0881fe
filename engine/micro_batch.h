#pragma once

#include "engine/ranks/batch_share.h"
#include "engine/tensor.h"

namespace vox {

/// The cases of a batch that are computed at a time; of several ranks, those that this one computes.
struct MicroBatch {
  Tensor images;          ///< [N,C,D,H,W]
  Tensor labels;          ///< u8 [N,D,H,W]
  BatchShare share = {};  ///< of the cases that all ranks compute at a time; whole is 0 where there is one rank

  [[nodiscard]] std::int64_t cases() const { return share.whole > 0 ? share.whole : images.shape()[0]; }
};

}  // namespace vox
