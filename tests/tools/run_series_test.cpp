#include "tools/run/run_series.h"

#include <cmath>
#include <nlohmann/json.hpp>
#include <sstream>

#include "data/loading/splits.h"
#include "kernels/base/check.h"
#include "tests/support/catch.h"
#include "tests/support/files.h"
#include "tests/support/program.h"
#include "tests/support/training_run.h"
#include "tools/run/series_summary.h"

namespace vox::test {
namespace {

namespace fs = std::filesystem;
constexpr const char* kRegionNames[] = {"WT", "TC", "ET"};

TrainOptions tiny_options() {
  TrainOptions o = small_training();
  o.widths = {1, 1, 1, 1, 1};
  o.epochs = 1;
  o.folds = 2;
  return o;
}

std::string arguments(const fs::path& cache, const fs::path& output, const std::string& more) {
  return "train --widths 1 1 1 1 1 --batch 2 --epochs 1 --lr 1e-2 --folds 2 -i " + cache.string() + " -o " +
         output.string() + " " + more;
}

/// Where a run's folder is to be, there is a file: that run fails.
void block(const fs::path& folder) { write_bytes(folder, "x"); }

nlohmann::json summary_of(const fs::path& output) { return nlohmann::json::parse(read_bytes(output / "summary.json")); }

}  // namespace

TEST_CASE("every fold of two seeds is a run in a folder of its own, on the same folds, and summed up",
          "[training][cli]") {
  const TempFolder folder;
  make_training_cache(folder / "cache", RecipeKind::zscore, 4);
  const fs::path output = folder / "series";
  const Ended e = voxgrad(arguments(folder / "cache", output, "--fold all --seeds 2"));
  INFO(e.output);
  REQUIRE(e.code == 0);
  CHECK_THAT(e.output, ContainsSubstring("run 4 of 4: ") && ContainsSubstring("standard deviation"));

  const nlohmann::json summary = summary_of(output);
  REQUIRE(summary.at("runs").size() == 4);
  std::size_t i = 0;
  double sums[4] = {};
  double squares[4] = {};
  for (const std::string seed : {"42", "43"}) {
    for (const std::string fold : {"0", "1"}) {
      const nlohmann::json& run = summary.at("runs")[i++];
      const std::string name = "seed" + seed + "/fold" + fold;
      CHECK(run.at("folder") == name);
      CHECK(run.at("seed") == std::stoi(seed));
      CHECK(run.at("fold") == std::stoi(fold));
      CHECK(read_bytes(output / name / "splits.json") == read_bytes(output / "splits.json"));
      const nlohmann::json epoch = log_of(output / name, "epoch").back();
      double mean = 0;
      for (std::size_t r = 0; r < 3; ++r) {
        const double dice = epoch.at("dice").at(kRegionNames[r]);
        CHECK(run.at("best").at(kRegionNames[r]) == dice);
        CHECK(run.at("all_background").at(kRegionNames[r]) ==
              epoch.at("all_background").at("dice").at(kRegionNames[r]));
        mean += dice / 3;
        sums[r] += dice;
        squares[r] += dice * dice;
      }
      CHECK(std::abs(run.at("last").at("mean").get<double>() - mean) < 1e-15);
      sums[3] += mean;
      squares[3] += mean * mean;
    }
  }
  for (std::size_t c = 0; c < 4; ++c) {
    const nlohmann::json& over = summary.at("best").at(c < 3 ? kRegionNames[c] : "mean");
    CHECK(std::abs(over.at("mean").get<double>() - sums[c] / 4) < 1e-14);
    const double variance = (squares[c] - sums[c] * sums[c] / 4) / 3;
    CHECK(std::abs(std::pow(over.at("standard_deviation").get<double>(), 2) - variance) < 1e-12);
  }
  std::istringstream csv(read_bytes(output / "summary.csv"));
  std::vector<std::string> lines;
  for (std::string line; std::getline(csv, line);) { lines.push_back(line); }
  REQUIRE(lines.size() == 13);
  CHECK(lines[0] == "folder,seed,fold,prediction,epoch,WT,TC,ET,mean");
  CHECK(lines[10].starts_with("seed43/fold1,43,1,best,1,"));
  CHECK(lines[12] == "seed43/fold1,43,1,all_background,1,0,0,0,0");

  // A run of the series is the run that the options of its own give.
  TrainOptions o = tiny_options();
  o.seed = 43;
  o.fold = 1;
  o.splits = (output / "splits.json").string();
  train(folder / "cache", folder / "alone", o);
  CHECK(tensors_of(folder / "alone" / "last.safetensors") ==
        tensors_of(output / "seed43" / "fold1" / "last.safetensors"));
}

TEST_CASE("a series that stopped goes on where it was", "[training][cli]") {
  const TempFolder folder;
  make_training_cache(folder / "cache", RecipeKind::zscore, 4);
  const fs::path output = folder / "series";
  fs::create_directories(output);
  block(output / "fold1");
  const Ended failed = voxgrad(arguments(folder / "cache", output, "--fold all"));
  CHECK(failed.code == 2);
  CHECK_THAT(failed.output, ContainsSubstring("fold1: did not end; --resume goes on"));
  CHECK(fs::exists(output / "fold0" / "last.safetensors"));
  CHECK_FALSE(fs::exists(output / "summary.json"));
  const auto first = tensors_of(output / "fold0" / "last.safetensors");

  const Ended again = voxgrad(arguments(folder / "cache", output, "--fold all"));
  CHECK(again.code == 2);
  CHECK_THAT(again.output, ContainsSubstring("holds a series of runs already; give --resume"));

  fs::remove(output / "fold1");
  const Ended resumed = voxgrad(arguments(folder / "cache", output, "--fold all --resume"));
  CHECK(resumed.code == 0);
  CHECK_THAT(resumed.output, ContainsSubstring("is done: 1 epochs") && ContainsSubstring("run 2 of 2"));
  CHECK(summary_of(output).at("runs").size() == 2);
  CHECK(tensors_of(output / "fold0" / "last.safetensors") == first);

  TrainOptions o = tiny_options();
  o.epochs = 2;
  train_series(folder / "cache", output, o, {.folds = SeriesOptions::Folds::all}, Training::Start::resume, {},
               {"epochs"});
  CHECK(log_of(output / "fold0", "epoch").size() == 2);
  CHECK(log_of(output / "fold1", "epoch").size() == 2);
  o.lr = 5;
  CHECK_THROWS_WITH(train_series(folder / "cache", output, o, {.folds = SeriesOptions::Folds::all},
                                 Training::Start::resume, {}, {"lr"}),
                    ContainsSubstring("lr is 0.01 in the run"));
}

TEST_CASE("a series that was interrupted within a run ends with the same bits", "[training]") {
  const TempFolder folder;
  make_training_cache(folder / "cache", RecipeKind::zscore, 3);
  const fs::path output = folder / "series";
  CHECK(train_and_interrupt(folder / "cache", output, 1, {"--fold", "all"}, "fold1") == 130);
  CHECK_FALSE(fs::exists(output / "fold2"));
  CHECK_FALSE(fs::exists(output / "summary.json"));
  TrainOptions o = small_training();
  train_series(folder / "cache", output, o, {.folds = SeriesOptions::Folds::all}, Training::Start::resume);
  CHECK(summary_of(output).at("runs").size() == 3);
  o.fold = 1;
  o.splits = (output / "splits.json").string();
  train(folder / "cache", folder / "alone", o);
  CHECK(tensors_of(folder / "alone" / "last.safetensors") == tensors_of(output / "fold1" / "last.safetensors"));
}

TEST_CASE("a series refuses what it cannot compare, and nothing stays", "[training][errors][cli]") {
  const TempFolder folder;
  make_training_cache(folder / "cache", RecipeKind::zscore, 3);
  const fs::path output = folder / "series";
  const fs::path splits = folder / "splits.json";
  write_splits(splits, {{.train = {"case_0", "case_1"}, .val = {"case_2"}}, {.train = {"case_0"}, .val = {}}});
  const std::string file = " --splits " + splits.string();
  for (const auto& [more, why] : std::vector<std::pair<std::string, std::string>>{
           {"--fold some", "--fold is 'some', wants a number from 0, or all"},
           {"--fold 1x", "--fold is '1x'"},
           {"--seeds 0", "--seeds is 0, wants 1 to"},
           {"--fold all --resume", "holds no series of runs"},
           {"--fold all" + file, "splits.json: fold 1 has no case to validate on"},
           {"--seeds 2 --fold 1" + file, "fold 1 has no case to validate on"},
           {"--seeds 2 --fold 2" + file, "has folds 0 to 1, not 2"},
           {"--fold all --preset tutorial", "preset 'tutorial' wants 3"}}) {
    INFO(more);
    const Ended e = voxgrad(arguments(folder / "cache", output, more));
    INFO(e.output);
    CHECK(e.code >= 2);
    CHECK_THAT(e.output, ContainsSubstring(why));
    CHECK_FALSE(fs::exists(output));
  }
  CHECK(voxgrad(arguments(folder / "cache", output, "--fold 0" + file)).code == 0);
  CHECK_THAT(voxgrad(arguments(folder / "cache", output, "--fold all")).output,
             ContainsSubstring("holds a single run"));
}

TEST_CASE("the spread over runs is the standard deviation of a sample", "[training]") {
  const MeanAndSpread s = mean_and_spread(std::vector<double>{1, 2, 4});
  CHECK(std::abs(s.mean - 7.0 / 3) < 1e-15);
  CHECK(std::abs(s.spread - std::sqrt(7.0 / 3)) < 1e-15);
  CHECK(std::isnan(mean_and_spread(std::vector<double>{3}).spread));
  TrainOptions o;
  o.fold = 2;
  const std::vector<SeriesRun> seeds = series_runs(o, {.seeds = 3}, 5);
  REQUIRE(seeds.size() == 3);
  CHECK(seeds[2].folder == "seed44");
  CHECK(seeds[2].fold == 2);
}

}  // namespace vox::test
