#include "tools/run/series_summary.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "engine/atomic_file.h"
#include "engine/csv.h"
#include "engine/json.h"
#include "engine/json_text.h"
#include "kernels/base/check.h"
#include "tools/ui/output.h"

namespace vox {
namespace {

namespace fs = std::filesystem;
constexpr std::size_t kColumns = kRegions.size() + 1;
constexpr std::array<const char*, 3> kKinds{"best", "last", "all_background"};

const SeriesDice& of(const RunScores& s, std::size_t kind) {
  return kind == 0 ? s.best.dice : kind == 1 ? s.last.dice : s.last.all_background;
}

/// Of a prediction of nothing: the last, which is on the same cases.
std::int64_t epoch_of(const RunScores& s, std::size_t kind) { return kind == 0 ? s.best.epoch : s.last.epoch; }

std::array<MeanAndSpread, kColumns> over_runs(const std::vector<RunScores>& scores, std::size_t kind) {
  std::array<MeanAndSpread, kColumns> all;
  for (std::size_t c = 0; c < kColumns; ++c) {
    std::vector<double> values;
    for (const RunScores& s : scores) { values.push_back(of(s, kind)[c]); }
    all[c] = mean_and_spread(values);
  }
  return all;
}

Json json_of(const std::vector<RunScores>& scores) {
  Json runs = Json::array();
  for (const RunScores& s : scores) {
    Json run{{"folder", s.run.folder}, {"seed", s.run.seed}, {"fold", s.run.fold}};
    for (std::size_t k = 0; k < kKinds.size(); ++k) {
      Json one{{"epoch", epoch_of(s, k)}};
      for (std::size_t c = 0; c < kColumns; ++c) { one[dice_name(c)] = of(s, k)[c]; }
      run[kKinds[k]] = one;
    }
    runs.push_back(run);
  }
  Json all{{"runs", runs}};
  for (std::size_t k = 0; k < kKinds.size(); ++k) {
    const auto over = over_runs(scores, k);
    Json regions = Json::object();
    for (std::size_t c = 0; c < kColumns; ++c) {
      regions[dice_name(c)] = {
          {"mean", over[c].mean},
          {"standard_deviation", std::isfinite(over[c].spread) ? Json(over[c].spread) : Json(nullptr)}};
    }
    all[kKinds[k]] = regions;
  }
  return all;
}

std::string csv_of(const std::vector<RunScores>& scores) {
  std::string text = "folder,seed,fold,prediction,epoch,WT,TC,ET,mean\n";
  for (const RunScores& s : scores) {
    for (std::size_t k = 0; k < kKinds.size(); ++k) {
      text += fmt::format("{},{},{},{},{},{}\n", csv_field(s.run.folder), s.run.seed, s.run.fold, kKinds[k],
                          epoch_of(s, k), fmt::join(of(s, k), ","));
    }
  }
  return text;
}

std::string cells(const SeriesDice& dice) {
  std::string text;
  for (const double d : dice) { text += std::isfinite(d) ? fmt::format("  {:.3f}", d) : "      -"; }
  return text;
}

}  // namespace

std::vector<RunScores> series_scores(const fs::path& output, const std::vector<SeriesRun>& runs) {
  std::vector<RunScores> scores;
  for (const SeriesRun& run : runs) {
    const RunRecord record = read_run(output / run.folder);
    scores.push_back({.run = run, .best = record.best(), .last = record.validated.back()});
  }
  return scores;
}

MeanAndSpread mean_and_spread(std::span<const double> values) {
  const auto n = static_cast<double>(values.size());
  double sum = 0;
  for (const double v : values) { sum += v; }
  const double mean = sum / n;
  double squares = 0;
  for (const double v : values) { squares += (v - mean) * (v - mean); }
  return {.mean = mean, .spread = values.size() > 1 ? std::sqrt(squares / (n - 1)) : NAN};
}

void summarise(const fs::path& output, const std::vector<SeriesRun>& runs) {
  const std::vector<RunScores> scores = series_scores(output, runs);
  write_file(output / "summary.json", json_text(json_of(scores), 2) + '\n');
  write_file(output / "summary.csv", csv_of(scores));
  std::size_t width = std::string_view("standard deviation").size();
  for (const SeriesRun& run : runs) { width = std::max(width, run.folder.size()); }
  const auto row = [&](const char* name, const auto& over, double MeanAndSpread::*value) {
    SeriesDice dice;
    std::ranges::transform(over, dice.begin(), [&](const MeanAndSpread& m) { return m.*value; });
    print_safely("{:<{}}       {}\n", name, width, cells(dice));
  };
  for (std::size_t k = 0; k < 2; ++k) {
    print_safely("\n{:<{}}  epoch     WT     TC     ET   mean   validation Dice of {}\n", "run", width,
                 k == 0 ? "best.safetensors" : "the last epoch");
    for (const RunScores& s : scores) {
      print_safely("{:<{}}  {:>5}{}\n", s.run.folder, width, epoch_of(s, k), cells(of(s, k)));
    }
    row("mean", over_runs(scores, k), &MeanAndSpread::mean);
    row("standard deviation", over_runs(scores, k), &MeanAndSpread::spread);
    row("all background", over_runs(scores, 2), &MeanAndSpread::mean);
  }
  print_safely("\n{} and summary.csv hold this\n", (output / "summary.json").string());
}

}  // namespace vox
