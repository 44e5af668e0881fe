#pragma once

#include <cstddef>
#include <map>
#include <string>

#include "data/loading/loader.h"
#include "engine/memory_limits.h"
#include "model/step_plan.h"
#include "tools/run/train_options.h"

namespace vox {

class Communicator;  // engine/ranks/communicator.h

/// What a training run, of several ranks one of it, asks the step plan for. `options.size` must be set.
[[nodiscard]] StepRequest step_request(const TrainOptions&, Device, const Communicator* = nullptr);

/// What a run holds on the CPU beside the tensors of a step.
struct HostHolds {
  std::int64_t samples_per_epoch = 0;
  std::int64_t batches_in_flight = default_batches_ahead(1, 1);
  std::size_t scratch_bytes = 0;     ///< of the loader's threads
  std::size_t validation_bytes = 0;  ///< of a case that is validated by windows (tools/run/whole_case.h)
};

/// The most of this process that was in physical memory at once, so far.
[[nodiscard]] std::size_t peak_resident_bytes();

/// All of it: batches that the loader holds, usually of one thread, the one that is being turned into tensors, what the
/// loader's threads take beside, and the validation's share.
[[nodiscard]] std::size_t waiting_bytes(const StepRequest&, const HostHolds& = {});

/// The size that --memory names, or what is available where it is empty. Of main memory a rank gets its part: the size
/// is then that of the machine, for all its ranks.
[[nodiscard]] MemoryLimit memory_limit(const std::string& asked, Device);

/// What the limit leaves for tensors: where those are on the CPU, batches that wait take their part.
[[nodiscard]] std::size_t left_for_tensors(const MemoryLimit&, std::size_t waiting_bytes, Device);

/// The largest batch, at most 1024, that fits when it is computed at once; 0: none.
[[nodiscard]] std::int64_t largest_batch(const StepRequest&, const MemoryLimit&);

/// Plans a step as a run makes it, and decides whether this thread keeps what could be made again (engine/kept.h): on a
/// GPU, whose steps wait for memory, where there is room for it.
[[nodiscard]] StepPlan plan_and_decide_keeping(const StepRequest&, const MemoryLimit&);

/// Does a training step fit beside what the run holds on the CPU?
[[nodiscard]] bool run_fits(const StepRequest&, const HostHolds&, const MemoryLimit&);

/// Throws MemoryError unless the step fits, naming its peak, what there is, and the largest micro-batch that fits.
void check_fits(const StepRequest&, const StepPlan&, std::size_t waiting_bytes, const MemoryLimit&);

/// The memory of every kind of step of a run: a full batch, the last of an epoch if it is smaller, and a validation.
/// Decides by the largest whether this thread keeps what could be made again, refuses a run whose steps do not fit
/// (MemoryError), and reserves the arena that all of them share.
class RunMemory {
 public:
  /// validation: extents of what goes through the network then.
  RunMemory(const StepRequest&, const HostHolds&, const Extents& validation, const MemoryLimit&);

  /// batch: cases of the whole one.
  [[nodiscard]] const StepPlan& step(std::int64_t batch) const { return steps_.at(batch); }
  [[nodiscard]] const StepPlan& largest_step() const { return steps_.rbegin()->second; }
  [[nodiscard]] const StepPlan& validation() const { return validation_; }

 private:
  std::map<std::int64_t, StepPlan> steps_;  ///< by cases in the whole batch
  StepPlan validation_;
};

}  // namespace vox
