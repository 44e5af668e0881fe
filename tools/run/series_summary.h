#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "tools/run/run_record.h"

namespace vox {

struct RunScores {
  SeriesRun run;
  ValidatedEpoch best;  ///< best.safetensors
  ValidatedEpoch last;  ///< the last epoch that was validated
};

/// From the logs of runs below a folder. Throws DataError naming a log without a validation.
[[nodiscard]] std::vector<RunScores> series_scores(const std::filesystem::path& output, const std::vector<SeriesRun>&);

struct MeanAndSpread {
  double mean = 0;
  double spread = 0;  ///< the standard deviation of a sample, of n - 1 degrees of freedom; NaN of one value
};
[[nodiscard]] MeanAndSpread mean_and_spread(std::span<const double>);

/// A table on screen, summary.json ({"runs": [...], "best": {"WT": {"mean", "standard_deviation"}, ...}, "last": ...,
/// "all_background": ...}) and summary.csv, three lines a run: of best.safetensors, of the last validation, and of a
/// prediction of nothing.
void summarise(const std::filesystem::path& output, const std::vector<SeriesRun>&);

}  // namespace vox
