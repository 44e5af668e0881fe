#include "tools/run/series_summary.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <fstream>

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
constexpr std::array<const char*, 2> kCheckpoints{"best", "last"};

std::string column(std::size_t c) { return c < kRegions.size() ? std::string(name(kRegions[c])) : "mean"; }

const ValidatedEpoch& of(const RunScores& s, std::size_t checkpoint) { return checkpoint == 0 ? s.best : s.last; }

/// The epochs that were validated, from a run's log.
std::vector<ValidatedEpoch> validated_epochs(const fs::path& log) {
  std::vector<ValidatedEpoch> epochs;
  std::ifstream in(log);
  for (std::string line; std::getline(in, line);) {
    const Json j = Json::try_parse(line).value_or(nullptr);
    if (!j.is_object() || j.value("type", "") != "epoch" || !j.contains("dice")) { continue; }
    ValidatedEpoch e{.epoch = j.value("epoch", std::int64_t{0})};
    for (std::size_t r = 0; r < kRegions.size(); ++r) { e.dice[r] = j.at("dice").at(column(r)).get<double>(); }
    e.dice.back() = (e.dice[0] + e.dice[1] + e.dice[2]) / 3;
    epochs.push_back(e);
  }
  VOX_CHECK_DATA(!epochs.empty(), "{}: tells of no validation", log.string());
  return epochs;
}

std::array<MeanAndSpread, kColumns> over_runs(const std::vector<RunScores>& scores, std::size_t checkpoint) {
  std::array<MeanAndSpread, kColumns> all;
  for (std::size_t c = 0; c < kColumns; ++c) {
    std::vector<double> values;
    for (const RunScores& s : scores) { values.push_back(of(s, checkpoint).dice[c]); }
    all[c] = mean_and_spread(values);
  }
  return all;
}

Json json_of(const std::vector<RunScores>& scores) {
  Json runs = Json::array();
  for (const RunScores& s : scores) {
    Json run{{"folder", s.run.folder}, {"seed", s.run.seed}, {"fold", s.run.fold}};
    for (std::size_t k = 0; k < kCheckpoints.size(); ++k) {
      Json one{{"epoch", of(s, k).epoch}};
      for (std::size_t c = 0; c < kColumns; ++c) { one[column(c)] = of(s, k).dice[c]; }
      run[kCheckpoints[k]] = one;
    }
    runs.push_back(run);
  }
  Json all{{"runs", runs}};
  for (std::size_t k = 0; k < kCheckpoints.size(); ++k) {
    const auto over = over_runs(scores, k);
    Json regions = Json::object();
    for (std::size_t c = 0; c < kColumns; ++c) {
      regions[column(c)] = {
          {"mean", over[c].mean},
          {"standard_deviation", std::isfinite(over[c].spread) ? Json(over[c].spread) : Json(nullptr)}};
    }
    all[kCheckpoints[k]] = regions;
  }
  return all;
}

std::string csv_of(const std::vector<RunScores>& scores) {
  std::string text = "folder,seed,fold,checkpoint,epoch,WT,TC,ET,mean\n";
  for (const RunScores& s : scores) {
    for (std::size_t k = 0; k < kCheckpoints.size(); ++k) {
      const ValidatedEpoch& e = of(s, k);
      text += fmt::format("{},{},{},{},{},{}\n", csv_field(s.run.folder), s.run.seed, s.run.fold, kCheckpoints[k],
                          e.epoch, fmt::join(e.dice, ","));
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
    const std::vector<ValidatedEpoch> epochs = validated_epochs(output / run.folder / "log.jsonl");
    // The first of the best, which is what best.safetensors holds.
    const auto best = std::ranges::max_element(epochs, {}, [](const ValidatedEpoch& e) { return e.dice.back(); });
    scores.push_back({.run = run, .best = *best, .last = epochs.back()});
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
  for (std::size_t k = 0; k < kCheckpoints.size(); ++k) {
    print_safely("\n{:<{}}  epoch     WT     TC     ET   mean   validation Dice of {}\n", "run", width,
                 k == 0 ? "best.safetensors" : "the last epoch");
    for (const RunScores& s : scores) {
      print_safely("{:<{}}  {:>5}{}\n", s.run.folder, width, of(s, k).epoch, cells(of(s, k).dice));
    }
    SeriesDice means;
    SeriesDice spreads;
    const auto over = over_runs(scores, k);
    for (std::size_t c = 0; c < kColumns; ++c) {
      means[c] = over[c].mean;
      spreads[c] = over[c].spread;
    }
    print_safely("{:<{}}       {}\n", "mean", width, cells(means));
    print_safely("{:<{}}       {}\n", "standard deviation", width, cells(spreads));
  }
  print_safely("\n{} and summary.csv hold this\n", (output / "summary.json").string());
}

}  // namespace vox
