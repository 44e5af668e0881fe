#pragma once

#include <filesystem>

#include "engine/ranks/communicator.h"
#include "tools/run/train_options.h"
#include "tools/run/training_progress.h"

namespace vox {

/// What last.safetensors of a run's folder says of it.
struct StoredRun {
  TrainOptions options;
  TrainingProgress progress;

  /// Has it done its last epoch, or been ended by --stop-patience? By other options than its own, as those of a resumed
  /// run are.
  [[nodiscard]] bool is_done(const TrainOptions&) const;
};

/// Throws Error where there is none, DataError for one that is damaged.
[[nodiscard]] StoredRun stored_run(const std::filesystem::path& folder);
/// What rank 0 finds there, on every rank. Collective.
[[nodiscard]] StoredRun stored_run(const std::filesystem::path& folder, Communicator&);

}  // namespace vox
