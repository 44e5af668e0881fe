#pragma once

#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "engine/micro_batch.h"
#include "model/loss.h"
#include "model/unet3d.h"

namespace vox {

/// Losses of micro-batches whose gradients are submitted; read once, so that a GPU is waited for once.
class PendingLoss {
 public:
  void add(const Tensor& loss, double share) { parts_.emplace_back(loss, share); }
  [[nodiscard]] double wait() const;  ///< the mean over the batch

 private:
  std::vector<std::pair<Tensor, double>> parts_;  ///< with their share in the batch
};

/// Submits forward pass, loss and backward pass of a batch: the first half of a training step, Adam::step() is the
/// other. Gradients of the micro-batches are added up in the parameters. Batch-norm statistics and sums of the loss are
/// those of each micro-batch.
[[nodiscard]] PendingLoss submit_batch(const UNet3d&, std::span<const MicroBatch>, const LossOptions&,
                                       std::uint64_t seed, std::uint32_t step);

}  // namespace vox
