#pragma once

#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "engine/micro_batch.h"
#include "kernels/step_values.h"
#include "model/loss.h"
#include "model/unet3d.h"

namespace vox {

class RankSums;  // engine/ranks/rank_sums.h

/// Losses of micro-batches whose gradients are submitted, for a Readback.
class PendingLoss {
 public:
  void add(const Tensor& loss, double share);
  [[nodiscard]] const std::vector<Tensor>& losses() const { return losses_; }
  [[nodiscard]] std::vector<Tensor> released() { return std::exchange(losses_, {}); }
  [[nodiscard]] std::size_t parts() const { return shares_.size(); }
  /// The mean over the batch, given the values of the tensors that were released.
  [[nodiscard]] double mean(std::span<const double> losses) const;

 private:
  std::vector<Tensor> losses_;
  std::vector<double> shares_;  ///< of each in the batch
};

/// Submits forward pass, loss and backward pass of a batch: the first half of a training step, the optimiser's is the
/// other. The loss sees every head of the network (deep supervision). Gradients of the micro-batches are added up in
/// the parameters. Batch-norm statistics and sums of the loss are those of each micro-batch. there: where a step that
/// is captured (model/step_graph.h) finds its number when it runs, or null. ranks: of a batch that is shared out among
/// them (MicroBatch::share); loss, running statistics and gradients are then those of all cases on every rank. The next
/// micro-batch begins when the gradients of the one before are added up; a batch of one goes on meanwhile.
[[nodiscard]] PendingLoss submit_batch(const UNet3d&, std::span<const MicroBatch>, const LossOptions&,
                                       std::uint64_t seed, std::uint32_t step, const StepValues* there = nullptr,
                                       RankSums* ranks = nullptr);

}  // namespace vox
