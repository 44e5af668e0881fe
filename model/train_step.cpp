#include "model/train_step.h"

#include <optional>

#include "engine/ranks/rank_sums.h"
#include "engine/ranks/share_scope.h"
#include "engine/tape.h"
#include "kernels/base/check.h"

namespace vox {

void PendingLoss::add(const Tensor& loss, double share) {
  losses_.push_back(loss);
  shares_.push_back(share);
}

double PendingLoss::mean(std::span<const double> losses) const {
  double total = 0;
  for (std::size_t i = 0; i < shares_.size(); ++i) { total += shares_[i] * losses[i]; }
  return total;
}

PendingLoss submit_batch(const UNet3d& net, std::span<const MicroBatch> parts, const LossOptions& options,
                         std::uint64_t seed, std::uint32_t step, const StepValues* there, RankSums* ranks) {
  std::int64_t cases = 0;
  for (const MicroBatch& part : parts) { cases += part.cases(); }
  if (ranks != nullptr) { ranks->wait_each(parts.size() > 1); }
  PendingLoss losses;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    std::optional<ShareScope> scope;
    if (ranks != nullptr) {
      VOX_CHECK(parts[i].share.whole > 0, "a step on several ranks, and a micro-batch that is not shared out");
      scope.emplace(parts[i].share, *ranks);
    }
    std::vector<Tensor> logits =
        net.forward_all(parts[i].images, {.mode = UNetMode::training,
                                          .seed = seed,
                                          .step = step,
                                          .micro_batch = static_cast<std::uint32_t>(i),
                                          .step_there = there == nullptr ? nullptr : &there->step});
    const Tensor loss = segmentation_loss(logits, parts[i].labels, options);
    const double share = static_cast<double>(parts[i].cases()) / static_cast<double>(cases);
    backward(parts.size() == 1 ? loss : scale(loss, share));
    losses.add(loss.detached(), share);
  }
  if (ranks != nullptr) { ranks->finish(); }
  return losses;
}

}  // namespace vox
