#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/allocator.h"
#include "engine/micro_batch.h"
#include "model/loss.h"
#include "model/optimizer.h"
#include "model/train_step.h"
#include "model/unet3d.h"
#include "model/weight_average.h"

namespace vox {

class RankSums;  // engine/ranks/rank_sums.h

/// Whether a training step is one launch of a graph: automatic on a GPU, on wherever there are graphs.
enum class GraphUse : std::uint8_t { automatic, on, off };
[[nodiscard]] GraphUse graph_named(std::string_view);  ///< "auto", "on", "off"; throws Error for another name

/// A training step on its way.
struct SubmittedTraining {
  PendingLoss losses;
  SubmittedStep update;
  std::vector<Tensor> results;  ///< for a Readback: the losses of the micro-batches, then the update's squares
};

/// Submits training steps: forward pass, loss, backward pass, the optimiser's step and, where there is one, the average
/// of the weights. Of every kind of step, by the plan of its
/// memory, the first is submitted kernel by kernel, the second is captured as a graph (engine/graph.h), and from then
/// on a step is one launch of that and one of a kernel that says what is new: the number of the step and what the
/// optimiser makes of it and of the learning rate (kernels/step_values.h). The bits are the same.
///
/// A graph's memory is where the plan of the step says, in the arena that all steps and validations share; nothing
/// keeps it between two steps. So before each launch it is checked that the arena is the same, that nothing in it is
/// taken but the batch, and that this lies where it lay; and that weights, statistics and all that shapes a step are
/// what they were. Where one of these is not so, the step is submitted kernel by kernel and the next one captured anew,
/// three times at most; where a capture fails, all steps of its kind are submitted kernel by kernel. notes() says why.
class StepGraphs {
 public:
  /// ranks: that share each batch; their steps are submitted kernel by kernel.
  StepGraphs(const UNet3d&, Optimizer&, LossOptions, std::uint64_t seed, GraphUse, WeightAverage* = nullptr,
             RankSums* ranks = nullptr);
  ~StepGraphs();
  StepGraphs(const StepGraphs&) = delete;
  StepGraphs& operator=(const StepGraphs&) = delete;
  StepGraphs(StepGraphs&&) = delete;
  StepGraphs& operator=(StepGraphs&&) = delete;

  /// To be called before the step's ArenaScope is made, which wants the result. The plan must outlive this object.
  /// parts: micro-batches of the step.
  [[nodiscard]] PlannedBlocks* prepare(const ArenaPlan&, std::int64_t parts);
  /// Submits a step in that scope, in which the batch was made and nothing else.
  [[nodiscard]] SubmittedTraining submit(const ArenaScope&, std::span<const MicroBatch>, std::uint32_t step, double lr);

  [[nodiscard]] bool used() const { return used_; }                  ///< are there to be any?
  [[nodiscard]] std::int64_t launches() const { return launches_; }  ///< of graphs, so far
  /// Why steps were not what used() promises, each reason once. They are gone then.
  [[nodiscard]] std::vector<std::string> notes() { return std::exchange(notes_, {}); }

 private:
  struct Kind;
  /// What follows the backward pass. there: of a step that is captured.
  [[nodiscard]] SubmittedStep update(double lr, const StepValues* there) const;
  [[nodiscard]] SubmittedTraining submit_plainly(std::span<const MicroBatch>, std::uint32_t step, double lr) const;
  void capture(Kind&, const ArenaScope&, std::span<const MicroBatch>);
  [[nodiscard]] SubmittedTraining launch(Kind&, std::span<const MicroBatch>, std::uint32_t step, double lr);
  [[nodiscard]] StepValues* values_there();
  void weights_were_written() const;
  void note(const std::string& why);

  const UNet3d& net_;
  Optimizer& optimizer_;
  WeightAverage* average_;
  RankSums* ranks_;
  LossOptions loss_;
  std::uint64_t seed_;
  bool used_;
  std::int64_t launches_ = 0;
  Tensor values_;  ///< StepValues, as bytes on the device
  std::map<const ArenaPlan*, std::unique_ptr<Kind>> kinds_;
  std::vector<std::string> notes_;
  std::set<std::string> noted_;
};

}  // namespace vox
