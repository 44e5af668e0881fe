#pragma once

#include "engine/tensor.h"

namespace vox {

/// The cases of a batch that are computed at a time.
struct MicroBatch {
  Tensor images;  ///< [N,C,D,H,W]
  Tensor labels;  ///< u8 [N,D,H,W]
};

}  // namespace vox
