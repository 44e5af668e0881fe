// compare of training runs and series of them, as a program.
#include <cmath>
#include <nlohmann/json.hpp>

#include "tests/support/catch.h"
#include "tests/support/files.h"
#include "tests/support/program.h"
#include "tests/support/training_run.h"

namespace vox::test {
namespace {

namespace fs = std::filesystem;
constexpr const char* kDiceNames[] = {"WT", "TC", "ET", "mean"};

TrainOptions tiny_options() {
  TrainOptions o = small_training();
  o.widths = {1, 1, 1, 1, 1};
  o.epochs = 2;
  o.threads = 1;
  return o;
}

Ended compare(const fs::path& a, const fs::path& b, const std::string& more = {}) {
  return voxgrad("compare " + a.string() + " " + b.string() + " " + more);
}

/// A line of JSON of a run's log.
std::string step_line(int step, double loss, const char* digest) {
  nlohmann::json j{{"type", "step"}, {"step", step}, {"epoch", 1}, {"loss", loss}, {"lr", 0.1}, {"cases", {"a"}}};
  if (*digest != 0) { j["digest"] = digest; }
  return j.dump() + "\n";
}

/// A series of runs, each of the folds of a seed, as compare reads it: dice[seed][fold] is that of every region and
/// case, two cases a fold.
void make_series(const fs::path& folder, const std::vector<std::vector<double>>& dice) {
  for (std::size_t s = 0; s < dice.size(); ++s) {
    for (std::size_t f = 0; f < dice[s].size(); ++f) {
      const fs::path run = folder / ("seed" + std::to_string(s + 1)) / ("fold" + std::to_string(f));
      fs::create_directories(run);
      const double d = dice[s][f];
      const nlohmann::json scores{{"WT", d}, {"TC", d}, {"ET", d}};
      const nlohmann::json nothing{{"dice", {{"WT", 0}, {"TC", 0}, {"ET", 0}}}};
      nlohmann::json epoch{{"type", "epoch"}, {"step", 1}, {"epoch", 1}, {"dice", scores}, {"all_background", nothing}};
      for (int c = 0; c < 2; ++c) {
        epoch["cases"].push_back({{"id", "fold" + std::to_string(f) + "_" + std::to_string(c)}, {"dice", scores}});
      }
      write_bytes(run / "log.jsonl", epoch.dump() + "\n");
    }
  }
}

}  // namespace

TEST_CASE("two runs are compared by settings, scores, time, and the cases that both validated", "[training][cli]") {
  const TempFolder folder;
  make_training_cache(folder / "cache");
  TrainOptions o = tiny_options();
  train(folder / "cache", folder / "a", o);
  o.lr = 0.05;
  o.epochs = 3;
  train(folder / "cache", folder / "b", o);
  const fs::path summary = folder / "out.json";
  const Ended e = compare(folder / "a", folder / "b", "-o " + summary.string());
  INFO(e.output);
  REQUIRE(e.code == 0);
  const auto json = nlohmann::json::parse(read_bytes(summary));
  CHECK(json.at("settings").size() == 2);
  CHECK(json.at("settings").at("lr") == nlohmann::json{{"a", 0.01}, {"b", 0.05}});
  CHECK(json.at("settings").at("epochs") == nlohmann::json{{"a", 2}, {"b", 3}});
  CHECK(json.at("epochs") == nlohmann::json{{"a", 2}, {"b", 3}});
  CHECK(json.at("steps") == nlohmann::json{{"a", 4}, {"b", 6}});
  const auto epochs = log_of(folder / "b", "epoch");
  CHECK(json.at("last").at("dice").at("WT").at("b") == epochs.back().at("dice").at("WT"));
  REQUIRE(json.at("paired").at("cases").size() == 2);
  for (const char* const which : kDiceNames) {  // over cases, which is what the epoch's means are over
    const auto& paired = json.at("paired").at("scores").at(which);
    const auto& best = json.at("best").at("dice").at(which);
    CHECK(std::abs(paired.at("a").get<double>() - best.at("a").get<double>()) < 1e-12);
    CHECK(std::abs(paired.at("b").get<double>() - best.at("b").get<double>()) < 1e-12);
  }
  CHECK_THAT(e.output, ContainsSubstring("p (Wilcoxon)") && ContainsSubstring("seconds of a step, median"));
}

TEST_CASE("compare --bits finds the first step that differs, and what of it", "[training][cli]") {
  const TempFolder folder;
  make_training_cache(folder / "cache");
  TrainOptions o = tiny_options();
  train(folder / "cache", folder / "a", o);
  o.epochs = 3;
  o.threads = 2;
  train(folder / "cache", folder / "longer", o);
  Ended e = compare(folder / "a", folder / "longer", "--bits");
  INFO(e.output);
  CHECK(e.code == 0);
  CHECK_THAT(e.output, ContainsSubstring("the same in all 4 steps that both have (A 4, B 6)") &&
                           ContainsSubstring("by 4 digests, the last after step 4") && ContainsSubstring("threads"));
  o.clip_norm = 1e-3;  // the first step's loss and gradient are the same, what it does is not
  train(folder / "cache", folder / "clipped", o);
  e = compare(folder / "a", folder / "clipped", "--bits");
  CHECK(e.code == 1);
  CHECK_THAT(e.output, ContainsSubstring("differ: from step 1 (epoch 1) on, first in its parameters") &&
                           ContainsSubstring("clip_norm"));
  o = tiny_options();
  o.seed = 7;
  train(folder / "cache", folder / "seed", o);
  e = compare(folder / "a", folder / "seed", "--bits -o " + (folder / "bits.json").string());
  CHECK(e.code == 1);
  const auto json = nlohmann::json::parse(read_bytes(folder / "bits.json"));
  CHECK(json.at("same") == false);
  CHECK(json.at("first_difference").at("step") == 1);
}

TEST_CASE("compare --bits of logs: gaps, digests of some steps, none in common", "[cli]") {
  const TempFolder folder;
  const auto log = [&](const char* name, const std::string& lines) { write_bytes(folder / name / "log.jsonl", lines); };
  for (const char* const name : {"a", "b", "c", "none"}) { fs::create_directories(folder / name); }
  // A's step 3 is there twice, as earlier versions could leave it: the last counts.
  log("a", step_line(1, 0.5, "x1") + step_line(3, 9, "y") + step_line(3, 0.25, "x3") + step_line(4, 0.125, ""));
  log("b", step_line(1, 0.5, "") + step_line(2, 0.4, "x2") + step_line(3, 0.25, "x3") +
               step_line(4, 0.12500000000000003, ""));
  log("c", step_line(1, 0.5, "") + step_line(3, 0.25, "z3"));
  log("none", step_line(7, 1, ""));
  Ended e = compare(folder / "a", folder / "b", "--bits");
  CHECK(e.code == 1);
  CHECK_THAT(e.output,
             ContainsSubstring("from step 4 (epoch 1) on, first in its loss:\n  A 0.125\n  B 0.12500000000000003") &&
                 ContainsSubstring("the same after step 3"));
  e = compare(folder / "a", folder / "c", "--bits");
  CHECK(e.code == 1);
  CHECK_THAT(e.output, ContainsSubstring("from step 3 (epoch 1) on, first in its parameters") &&
                           ContainsSubstring("no digest before"));
  e = compare(folder / "a", folder / "none", "--bits");
  CHECK(e.code == 3);
  CHECK_THAT(e.output, ContainsSubstring("share no step"));
}

TEST_CASE("two series are compared over seeds and over cases", "[cli]") {
  const TempFolder folder;
  make_series(folder / "a", {{0.70, 0.72}, {0.73, 0.75}, {0.68, 0.70}});  // by seed 0.71, 0.74, 0.69
  make_series(folder / "b", {{0.75, 0.75}, {0.77, 0.79}, {0.80, 0.80}, {0.73, 0.75}});
  const Ended e = compare(folder / "a", folder / "b", "-o " + (folder / "out.json").string());
  INFO(e.output);
  REQUIRE(e.code == 0);
  const auto json = nlohmann::json::parse(read_bytes(folder / "out.json"));
  const auto& wt = json.at("best").at("WT");  // the intervals of tests/data/independent_test.cpp
  CHECK(std::abs(wt.at("low").get<double>() - 0.0016550262663369009) < 1e-10);
  CHECK(std::abs(wt.at("high").get<double>() - 0.10667830706699671) < 1e-10);
  CHECK(std::abs(wt.at("a").at("standard_deviation").get<double>() - 0.025166114784235857) < 1e-12);
  REQUIRE(json.at("paired").at("cases").size() == 4);
  CHECK(std::abs(json.at("paired").at("scores").at("TC").at("difference").get<double>() - (0.7675 - 2.14 / 3)) < 1e-3);

  make_series(folder / "one", {{0.5, 0.6}});
  const Ended one = compare(folder / "a", folder / "one");
  CHECK(one.code == 0);
  CHECK_THAT(one.output, ContainsSubstring("no interval over seeds"));
}

TEST_CASE("compare says what it cannot compare", "[cli]") {
  const TempFolder folder;
  make_series(folder / "series", {{0.5}});
  const fs::path run = folder / "series" / "seed1" / "fold0";
  fs::create_directories(folder / "empty");
  const auto fails = [&](const fs::path& a, const fs::path& b, const std::string& more, int code, const char* says) {
    const Ended e = compare(a, b, more);
    INFO(e.output);
    CHECK(e.code == code);
    CHECK_THAT(e.output, ContainsSubstring(says));
  };
  fails(run, folder / "series", "", 2, "holds a training run");
  fails(run, folder / "empty", "", 2, "wants two of a kind");
  fails(folder / "empty", folder / "empty", "", 2, "for predictions give -g");
  fails(folder / "empty", folder / "empty", "--bits", 2, "wants two training runs");
  fails(run, run, "-g " + folder.path().string(), 2, "-g is for predictions");
  fails(run, folder / "absent", "", 3, "no such folder");
  write_bytes(folder / "empty" / "log.jsonl", "{\"type\":\"epoch\",\"epoch\":\"x\"}\n");
  fails(run, folder / "empty", "", 3, "log.jsonl, line 1: ");
  make_series(folder / "impossible", {{1.7e308}});  // whose mean over regions is infinite
  fails(folder / "impossible" / "seed1" / "fold0", run, "", 3, "log.jsonl, line 1: a Dice of 1.7e+308 for WT");
  make_series(folder / "negative", {{-0.5}});
  fails(run, folder / "negative" / "seed1" / "fold0", "", 3, "line 1: a Dice of -0.5 for WT, wants 0 to 1");
}

}  // namespace vox::test
