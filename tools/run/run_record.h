#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "data/scoring/metrics.h"
#include "engine/json.h"

namespace vox {

/// The regions' validation Dice, and their mean behind them.
using SeriesDice = std::array<double, kRegions.size() + 1>;
/// "WT", "TC", "ET", "mean".
[[nodiscard]] std::string dice_name(std::size_t column);

/// What a validation of a run found.
struct ValidatedEpoch {
  std::int64_t epoch = 0;  ///< counted from 1
  SeriesDice dice{};
  SeriesDice all_background{};              ///< what a prediction of nothing scores on the same cases
  std::map<std::string, SeriesDice> cases;  ///< Dice of each; empty in runs of earlier versions
};

struct LoggedStep {
  std::int64_t step = 0;
  std::int64_t epoch = 0;
  Json cases;          ///< null where the log does not say, like the rest
  Json loss;           ///< before the step
  Json gradient_norm;  ///< likewise
  Json lr;
  std::string digest;  ///< of loss and weights after the step; empty: none
  double seconds = 0;
};

/// What the folder of a run tells of it (docs/run-folder.md). Runs of earlier versions tell less.
struct RunRecord {
  std::filesystem::path folder;
  Json options;                   ///< of last.safetensors: all of TrainOptions by name; null where there is none yet
  std::string program;            ///< that began it or went on with it last; empty: not said
  std::string device;             ///< likewise
  std::vector<LoggedStep> steps;  ///< by number; of one that is there twice the last counts
  std::vector<Json> epochs;       ///< lines of type "epoch", likewise
  std::vector<ValidatedEpoch> validated;

  /// The first of the best, which is what best.safetensors holds. Throws DataError where nothing was validated.
  [[nodiscard]] const ValidatedEpoch& best() const;
  [[nodiscard]] double seconds() const;  ///< of its epochs' steps
};

[[nodiscard]] bool is_run_folder(const std::filesystem::path& folder);  ///< is there a log.jsonl?
[[nodiscard]] bool is_series_folder(
    const std::filesystem::path& folder);  ///< are there folders of runs, and no log.jsonl?

/// Throws Error for a folder that holds no run.
[[nodiscard]] RunRecord read_run(const std::filesystem::path& folder);

/// A run of a series: the folder it is in, "seed42/fold0", "seed42" or "fold0", and what that says.
struct SeriesRun {
  std::string folder;
  std::uint64_t seed = 0;  ///< 0 where the folder does not say
  std::int64_t fold = 0;   ///< likewise
};

/// Those that have begun, by seed and fold.
[[nodiscard]] std::vector<SeriesRun> begun_runs(const std::filesystem::path& series);

}  // namespace vox
