#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "engine/micro_batch.h"
#include "model/loss.h"
#include "model/unet3d.h"

namespace vox {

class RankSums;  // engine/ranks/rank_sums.h

/// Does forward pass, loss and backward pass of a training step again (model/train_step.h), looks at every tensor as it
/// comes and says where the first number is that is not finite: "encoder.1.conv2: the result of conv3d [2,32,8,8,8] is
/// inf in case A (sample 0), channel 5, voxel 0,3,1; 7 of its numbers are not finite". In this order: images, weights,
/// results of operators, gradients that arrive at them, gradients of the weights. ids: one for each case of the parts.
/// Empty where all is finite. Of several ranks each looks
/// at its cases, and all take the same steps. Weights stay; running statistics move, and the weights' gradients are
/// gone.
[[nodiscard]] std::string first_not_finite(const UNet3d&, std::span<const MicroBatch>, std::span<const std::string> ids,
                                           const LossOptions&, std::uint64_t seed, std::uint32_t step,
                                           RankSums* ranks = nullptr);

}  // namespace vox
