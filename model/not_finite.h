#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "engine/micro_batch.h"
#include "model/loss.h"
#include "model/unet3d.h"

namespace vox {

class RankSums;  // engine/ranks/rank_sums.h

struct NotFinite {
  std::string text;         ///< empty: all is finite
  std::int64_t looked = 0;  ///< at so many tensors before: of several ranks the fault began where this is least
};

/// Does forward pass, loss and backward pass of a training step again (model/train_step.h), looks at every tensor as it
/// comes and says where the first number is that is not finite: "encoder.1.conv2: the result of conv3d [2,32,8,8,8] is
/// inf in case A (sample 0), channel 5, voxel 0,3,1; 7 of its numbers are not finite". In this order: images, weights,
/// results of operators, gradients that arrive at them, gradients of the weights. ids: one for each case of the parts;
/// places: theirs in the whole batch, or none: in turn. Of several ranks each looks at its cases, and all take the same
/// steps, whatever they find. Weights stay; running statistics move, and the weights' gradients are gone.
[[nodiscard]] NotFinite first_not_finite(const UNet3d&, std::span<const MicroBatch>, std::span<const std::string> ids,
                                         const LossOptions&, std::uint64_t seed, std::uint32_t step,
                                         std::span<const std::int64_t> places = {}, RankSums* ranks = nullptr);

}  // namespace vox
