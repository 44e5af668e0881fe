#pragma once

#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "data/loading/splits.h"
#include "engine/folder_lock.h"
#include "engine/json.h"
#include "engine/safetensors.h"
#include "model/optimizer.h"
#include "model/weight_average.h"
#include "tools/run/run_events.h"
#include "tools/run/run_log.h"
#include "tools/run/run_report.h"
#include "tools/run/training.h"

namespace vox {

/// What a run writes into its folder. Rank 0 does it for all: on the others nothing is read or written, and the same
/// calls are fine.
class RunFiles {
 public:
  RunFiles(std::filesystem::path folder, const TrainOptions&, Communicator&);

  /// Rank 0 throws Error unless the folder is what `start` wants, without a run, or with one, and no other program
  /// writes there: from then on, or from begin() on where it makes the folder, none may.
  void check(Training::Start start);
  /// config.toml, log, event file, env.json and the report's data; of a fresh run splits.json, too.
  void begin(Training::Start, const TrainingProgress&, const RunOutputs&, const std::vector<Split>& folds,
             std::span<const std::filesystem::path> train, std::span<const std::filesystem::path> val);
  /// A line of the log, and of the event file if that has such lines.
  void write(const Json& line);
  /// What a validation tells.
  [[nodiscard]] OnValidated listener(Targets);
  /// As save_checkpoint(), into a file of the folder. The log is on disk before it: a checkpoint that outlives a loss
  /// of power has the lines of its steps.
  void save(const std::string& name, const UNet3d&, const Optimizer&, Metadata,
            const WeightAverage* average = nullptr) const;
  /// The best epoch so far has been saved: its cases are drawn. Collective.
  void improved(std::int64_t epoch) { report_->improved(epoch); }
  /// Curves and report.html. running: the run goes on.
  void draw(bool running);

  /// Why nothing keeps a second program from writing there; usually empty.
  [[nodiscard]] std::string unlocked() const { return lock_ ? lock_->missing() : std::string(); }
  [[nodiscard]] const std::filesystem::path& folder() const { return folder_; }

 private:
  void lock();

  std::filesystem::path folder_;
  const TrainOptions& options_;
  Communicator& ranks_;
  bool writes_;
  RunHistory none_;  ///< of ranks that have no log
  std::unique_ptr<FolderLock> lock_;
  std::unique_ptr<RunLog> log_;
  std::unique_ptr<RunEvents> events_;  ///< of --tensorboard on
  std::unique_ptr<RunReport> report_;
};

}  // namespace vox
