#pragma once

#include <cstdint>
#include <filesystem>
#include <set>
#include <string>
#include <vector>

#include "tools/run/run_record.h"
#include "tools/run/train_options.h"
#include "tools/run/training.h"

namespace vox {

/// Several runs in folders below one: every fold, several seeds, or both.
struct SeriesOptions {
  enum class Folds : std::uint8_t { one, all };
  Folds folds = Folds::one;  ///< one: that of the options
  std::int64_t seeds = 1;    ///< so many, from the options' seed on
};

/// Seed by seed, of each fold by fold. folds: how many there are.
[[nodiscard]] std::vector<SeriesRun> series_runs(const TrainOptions&, const SeriesOptions&, std::int64_t folds);

/// Trains them one after another, each as Training does, and leaves summary.json and summary.csv beside their folders
/// (tools/run/series_summary.h). All train on the same folds, splits.json in the output folder, whatever their seeds. A
/// run that fails or is interrupted ends the series, by what Training::run() throws. fresh: no folder may hold a run
/// yet. resume: those that are done are left alone, one that was begun goes on, the others follow; given: the options
/// that were asked for explicitly, for resumed(). Throws Error where a fold has no case
/// to validate on. Ranks share each run; rank 0 alone looks into the folders.
void train_series(const std::filesystem::path& cache, const std::filesystem::path& output, const TrainOptions&,
                  const SeriesOptions&, Training::Start, const std::string& memory = {},
                  const std::set<std::string>& given = {}, const RunOutputs& = {}, Communicator* ranks = nullptr);

}  // namespace vox
