#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "model/schedule.h"

namespace vox {

/// Where a training run stands: what a resume needs besides weights, statistics and moments.
struct TrainingProgress {
  std::int64_t epoch = 0;          ///< current one, counted from 0
  std::int64_t batches = 0;        ///< done in it
  std::int64_t step = 0;           ///< done in all
  double loss_sum = 0;             ///< over samples of the current epoch
  std::int64_t samples = 0;        ///< of the current epoch
  double seconds = 0;              ///< of the current epoch
  double load_seconds = 0;         ///< of these, waiting for the loader
  std::optional<double> lr_first;  ///< learning rates of the current epoch's steps so far; none before its first
  std::optional<double> lr_last;
  std::optional<double> best;              ///< score of best.safetensors
  std::optional<std::int64_t> best_epoch;  ///< after which it was written, counted from 1
  Schedule::State schedule;
};

[[nodiscard]] std::string to_json(const TrainingProgress&);
/// What to_json() wrote, of this version or an earlier one, which knew no learning rates and not when the best was: it
/// is taken to be the current epoch. Throws DataError naming `file` for anything else.
[[nodiscard]] TrainingProgress training_progress_from_json(const std::string& text, const std::string& file);

/// Early stopping: so many epochs (0: any number) have gone without a better score, and the last of them was validated.
[[nodiscard]] bool stops_early(const TrainingProgress&, std::int64_t patience, std::int64_t validate_every);

}  // namespace vox
