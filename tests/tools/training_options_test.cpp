// What optimisers, averages, early stopping and a warm start do to a whole run.
#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "data/loading/splits.h"
#include "kernels/base/check.h"
#include "model/checkpoint.h"
#include "tests/support/catch.h"
#include "tests/support/files.h"
#include "tests/support/training_run.h"
#include "tools/run/training.h"

namespace vox::test {
namespace {

namespace fs = std::filesystem;

TrainOptions nnunet_options() {
  TrainOptions o = small_training();
  o.optimizer = "sgd";
  o.schedule = "poly";
  o.weight_decay = 3e-5;
  o.clip_norm = 12;
  o.ema = 0.5;
  o.loss = "dice+ce";
  o.background = "exclude";
  return o;
}

}  // namespace

TEST_CASE("a run with SGD, poly and averaged weights goes on with the same bits", "[training]") {
  const TempFolder folder;
  make_training_cache(folder / "cache");
  TrainOptions o = nnunet_options();
  train(folder / "cache", folder / "whole", o);
  const auto run = log_of(folder / "whole", "epoch");
  REQUIRE(run.size() == 3);
  for (std::size_t e = 0; e < run.size(); ++e) {  // once an epoch, of two steps
    CHECK(std::abs(run[e].at("lr_first").get<double>() - 1e-2 * std::pow(1 - static_cast<double>(e) / 3, 0.9)) < 1e-17);
    CHECK(run[e].at("lr_first") == run[e].at("lr_last"));
  }
  const auto code =
      train_and_interrupt(folder / "cache", folder / "parts", 3,
                          {"--optimizer", "sgd", "--schedule", "poly", "--weight-decay", "3e-5", "--clip-norm", "12",
                           "--ema", "0.5", "--loss", "dice+ce", "--background", "exclude"});
  CHECK(code == 130);
  if (log_of(folder / "parts", "step").size() < 6) {
    train(folder / "cache", folder / "parts", o, Training::Start::resume);
  }
  for (const char* const file : {"best.safetensors", "last.safetensors"}) {
    CHECK(tensors_of(folder / "whole" / file) == tensors_of(folder / "parts" / file));
  }
  CHECK(log_of(folder / "whole", "epoch") == log_of(folder / "parts", "epoch"));

  // What was validated, and is best.safetensors, is the average.
  const auto last = tensors_of(folder / "whole" / "last.safetensors");
  CHECK(last.contains("sgd.momentum.head.weight"));
  CHECK(last.at("ema.head.weight") != last.at("head.weight"));
  const auto best_epoch = std::ranges::max_element(run, {}, [](const auto& e) {
    const auto& d = e.at("dice");
    return d.at("WT").template get<double>() + d.at("TC").template get<double>() + d.at("ET").template get<double>();
  });
  const CheckpointFile best(folder / "whole" / "best.safetensors");
  UNet3d net(best.config(), DType::f32, kNoWeights);
  best.load(net);
  std::vector<fs::path> files;
  const std::vector<Split> folds = read_splits(folder / "whole" / "splits.json");
  for (const std::string& id : folds.front().val) { files.push_back(folder / "cache" / (id + ".safetensors")); }
  CHECK(validate(net, files, loss_options(o)).loss == best_epoch->at("val_loss").get<double>());
}

TEST_CASE("a run ends when validation has not been better for so many epochs", "[training]") {
  const TempFolder folder;
  make_training_cache(folder / "cache");
  TrainOptions o = small_training();
  o.widths = {1, 1, 1, 1, 1};
  o.epochs = 20;
  o.lr = 1e-12;  // learns nothing: scores stay as they are
  o.schedule = "constant";
  o.ema = 0.999;  // nor do batch norm's statistics move much
  o.stop_patience = 3;
  o.validate_every = 2;
  train(folder / "cache", folder / "run", o);
  const auto epochs = log_of(folder / "run", "epoch");
  std::size_t best = 0;  // of the epochs that validated, the first of the best
  const auto score = [](const nlohmann::json& e) { return e.at("best").get<double>(); };
  for (std::size_t e = 1; e < epochs.size(); e += 2) {
    if (best == 0 || score(epochs[e]) > score(epochs[best - 1])) { best = e + 1; }
  }
  REQUIRE(epochs.size() < 20);
  CHECK(epochs.size() == best + 4);  // more than three, and a multiple of two
  const auto notes = log_of(folder / "run", "note");
  REQUIRE(notes.size() == 1);
  const std::string why =
      fmt::format("ended after {} epochs: validation has not been better since epoch {}", best + 4, best);
  CHECK(notes[0].at("note") == why);
  CHECK_THROWS_WITH(train(folder / "cache", folder / "run", o, Training::Start::resume),
                    ContainsSubstring("was ended by --stop-patience after"));
  o.stop_patience = 0;
  o.epochs = static_cast<std::int64_t>(epochs.size()) + 1;
  train(folder / "cache", folder / "run", o, Training::Start::resume);
  CHECK(log_of(folder / "run", "epoch").size() == epochs.size() + 1);

  write_splits(folder / "splits.json", {{.train = {"case_0", "case_1"}, .val = {}}});
  o.splits = (folder / "splits.json").string();
  o.stop_patience = 1;
  CHECK_THROWS_WITH(train(folder / "cache", folder / "other", o),
                    ContainsSubstring("--stop-patience is 1: fold 0 has no case to validate on"));
}

TEST_CASE("progress of a version that did not keep when the best was counts from where it is", "[training]") {
  TrainingProgress p;
  p.epoch = 7;
  p.best = 0.5;
  p.best_epoch = 3;
  CHECK(stops_early(training_progress_from_json(to_json(p), "x"), 4, 1));
  auto older = nlohmann::json::parse(to_json(p));
  older.erase("best_epoch");
  for (const char* const count : {"epoch", "batches", "step", "samples", "schedule_bad_epochs", "best_epoch"}) {
    for (const std::int64_t wrong : {std::int64_t{-1}, std::numeric_limits<std::int64_t>::max()}) {
      auto damaged = older;
      damaged[count] = wrong;
      CHECK_THROWS_WITH(training_progress_from_json(damaged.dump(), "x"),
                        ContainsSubstring(fmt::format("holds {}, wants 0 to 2^53", wrong)));
    }
  }
  p = training_progress_from_json(older.dump(), "x");
  CHECK_FALSE(stops_early(p, 4, 1));
  p.epoch = 11;
  CHECK(stops_early(p, 4, 1));
  CHECK_FALSE(stops_early(p, 5, 1));
  CHECK_FALSE(stops_early(p, 0, 1));
  CHECK_FALSE(stops_early(p, 4, 2));  // an epoch that was not validated
  p.batches = 1;
  CHECK_FALSE(stops_early(p, 4, 1));
}

TEST_CASE("a run begins with the weights of another's file, and says which", "[training]") {
  const TempFolder folder;
  make_training_cache(folder / "cache");
  TrainOptions o = small_training();
  o.widths = {2, 2, 2, 2, 2};
  o.epochs = 1;
  train(folder / "cache", folder / "first", o);
  o.init_from = (folder / "first" / "last.safetensors").string();
  o.targets = "regions";  // a head of three channels
  o.loss = "dice+bce";
  o.lr = 1e-12;
  o.seed = 5;
  fs::create_directories(folder / "second");  // a run that was killed before its first checkpoint left its log
  write_bytes(folder / "second" / "log.jsonl", "{\"type\": \"init_from\", \"step\": 0}\n");
  train(folder / "cache", folder / "second", o);
  const auto lines = log_of(folder / "second", "init_from");
  REQUIRE(lines.size() == 1);
  CHECK(lines[0].at("file") == o.init_from);
  REQUIRE(lines[0].at("left").size() == 2);
  CHECK(lines[0].at("left")[0] ==
        nlohmann::json({{"name", "head.weight"}, {"found", "f32 4x2x1x1x1"}, {"wanted", "3x2x1x1x1"}}));
  CHECK_THAT(read_bytes(folder / "second" / "config.toml"), ContainsSubstring("init-from = \"" + o.init_from));
  const SafetensorsFile first(folder / "first" / "last.safetensors");
  const SafetensorsFile second(folder / "second" / "last.safetensors");
  const auto before = first.read<float>("bottleneck.conv2.weight");
  const auto after = second.read<float>("bottleneck.conv2.weight");
  for (std::size_t i = 0; i < before.size(); ++i) { CHECK(std::abs(after[i] - before[i]) <= 1e-7); }

  o.epochs = 2;  // goes on with its own weights
  train(folder / "cache", folder / "second", o, Training::Start::resume);
  CHECK(log_of(folder / "second", "init_from").size() == 1);
  o.init_from = (folder / "cache" / "case_0.safetensors").string();
  CHECK_THROWS_WITH(train(folder / "cache", folder / "third", o), ContainsSubstring("none of its tensors"));
  CHECK_FALSE(fs::exists(folder / "third"));
  CHECK_THROWS_WITH(resumed(small_training(), o, {"init_from"}), ContainsSubstring("init_from is \"\" in the run"));
}

TEST_CASE("a run from before optimisers could be chosen goes on as it was", "[training]") {
  const TrainOptions run = small_training();
  nlohmann::json stored = nlohmann::json::parse(to_json(run));
  for (const char* const key :
       {"optimizer", "momentum", "nesterov", "poly_power", "poly_every", "ema", "init_from", "stop_patience"}) {
    CHECK(stored.erase(key) == 1);
  }
  CHECK(to_json(train_options_from_json(stored.dump(), "x")) == to_json(run));
  TrainOptions asked = run;
  asked.stop_patience = 4;
  asked.ema = 0.9;
  CHECK(resumed(run, asked, {"stop_patience"}).stop_patience == 4);
  CHECK_THROWS_WITH(resumed(run, asked, {"ema"}), ContainsSubstring("ema is 0"));
}

}  // namespace vox::test
