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
constexpr std::array<const char*, 3> kKinds{"best", "last", "all_background"};

std::string column(std::size_t c) { return c < kRegions.size() ? std::string(name(kRegions[c])) : "mean"; }

const ValidatedEpoch& of(const RunScores& s, std::size_t kind) {
  return kind == 0 ? s.best : kind == 1 ? s.last : s.all_background;
}

SeriesDice dice_in(const Json& regions) {
  SeriesDice dice{};
  for (std::size_t r = 0; r < kRegions.size(); ++r) { dice[r] = regions.at(column(r)).get<double>(); }
  dice.back() = (dice[0] + dice[1] + dice[2]) / 3;
  return dice;
}

struct LoggedEpoch {
  ValidatedEpoch found;
  ValidatedEpoch all_background;
};

/// The epochs that were validated, from a run's log.
std::vector<LoggedEpoch> validated_epochs(const fs::path& log) {
  std::vector<LoggedEpoch> epochs;
  std::ifstream in(log);
  for (std::string line; std::getline(in, line);) {
    const Json j = Json::try_parse(line).value_or(nullptr);
    if (!j.is_object() || j.value("type", "") != "epoch" || !j.contains("dice")) { continue; }
    const auto epoch = j.value("epoch", std::int64_t{0});
    epochs.push_back({.found = {.epoch = epoch, .dice = dice_in(j.at("dice"))},
                      .all_background = {.epoch = epoch, .dice = dice_in(j.at("all_background").at("dice"))}});
  }
  VOX_CHECK_DATA(!epochs.empty(), "{}: tells of no validation", log.string());
  return epochs;
}

std::array<MeanAndSpread, kColumns> over_runs(const std::vector<RunScores>& scores, std::size_t kind) {
  std::array<MeanAndSpread, kColumns> all;
  for (std::size_t c = 0; c < kColumns; ++c) {
    std::vector<double> values;
    for (const RunScores& s : scores) { values.push_back(of(s, kind).dice[c]); }
    all[c] = mean_and_spread(values);
  }
  return all;
}

Json json_of(const std::vector<RunScores>& scores) {
  Json runs = Json::array();
  for (const RunScores& s : scores) {
    Json run{{"folder", s.run.folder}, {"seed", s.run.seed}, {"fold", s.run.fold}};
    for (std::size_t k = 0; k < kKinds.size(); ++k) {
      Json one{{"epoch", of(s, k).epoch}};
      for (std::size_t c = 0; c < kColumns; ++c) { one[column(c)] = of(s, k).dice[c]; }
      run[kKinds[k]] = one;
    }
    runs.push_back(run);
  }
  Json all{{"runs", runs}};
  for (std::size_t k = 0; k < kKinds.size(); ++k) {
    const auto over = over_runs(scores, k);
    Json regions = Json::object();
    for (std::size_t c = 0; c < kColumns; ++c) {
      regions[column(c)] = {
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
      const ValidatedEpoch& e = of(s, k);
      text += fmt::format("{},{},{},{},{},{}\n", csv_field(s.run.folder), s.run.seed, s.run.fold, kKinds[k], e.epoch,
                          fmt::join(e.dice, ","));
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
    const std::vector<LoggedEpoch> epochs = validated_epochs(output / run.folder / "log.jsonl");
    // The first of the best, which is what best.safetensors holds.
    const auto best = std::ranges::max_element(epochs, {}, [](const LoggedEpoch& e) { return e.found.dice.back(); });
    scores.push_back(
        {.run = run, .best = best->found, .last = epochs.back().found, .all_background = epochs.back().all_background});
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
      print_safely("{:<{}}  {:>5}{}\n", s.run.folder, width, of(s, k).epoch, cells(of(s, k).dice));
    }
    row("mean", over_runs(scores, k), &MeanAndSpread::mean);
    row("standard deviation", over_runs(scores, k), &MeanAndSpread::spread);
    row("all background", over_runs(scores, 2), &MeanAndSpread::mean);
  }
  print_safely("\n{} and summary.csv hold this\n", (output / "summary.json").string());
}

}  // namespace vox
