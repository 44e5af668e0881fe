#include "tools/run/training.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <limits>
#include <nlohmann/json.hpp>

#include "data/loading/splits.h"
#include "data/prepare/restore.h"
#include "kernels/base/check.h"
#include "model/checkpoint.h"
#include "tests/support/catch.h"
#include "tests/support/files.h"
#include "tests/support/program.h"
#include "tests/support/training_run.h"
#include "tools/run/ensemble.h"
#include "tools/run/epoch_report.h"
#include "tools/run/run_log.h"

namespace vox::test {
namespace {

namespace fs = std::filesystem;

/// The first and the last learning rate of each epoch, from the lines of its steps, as its own line should have them.
void check_rates(const fs::path& run, std::size_t epochs_wanted) {
  const auto epochs = log_of(run, "epoch");
  REQUIRE(epochs.size() == epochs_wanted);
  for (const auto& epoch : epochs) {
    std::vector<double> used;
    for (const auto& step : log_of(run, "step")) {
      if (step.at("epoch") == epoch.at("epoch")) { used.push_back(step.at("lr")); }
    }
    REQUIRE_FALSE(used.empty());
    CHECK(epoch.at("lr_first") == used.front());
    CHECK(epoch.at("lr_last") == used.back());
    CHECK(epoch.at("lr") == used.back());
  }
}

/// The checkpoint as a version wrote it that did not keep learning rates.
void forget_rates(const fs::path& checkpoint) {
  const SafetensorsFile file(checkpoint);
  std::vector<TensorToWrite> tensors;
  for (const auto& [name, t] : file.tensors()) { tensors.push_back({name, t.dtype, t.shape, t.bytes}); }
  Metadata metadata = file.metadata();
  auto progress = nlohmann::json::parse(metadata.at("training"));
  CHECK(progress.erase("lr_first") + progress.erase("lr_last") == 2);
  metadata["training"] = progress.dump();
  write_safetensors(checkpoint, tensors, metadata);
}

}  // namespace

TEST_CASE("training learns, and writes checkpoints, log, splits, options and the curve", "[training]") {
  const TempFolder folder;
  make_training_cache(folder / "cache");
  TrainOptions o = small_training();
  o.epochs = 30;
  o.augment = "none";
  o.validate_every = 10;
  train(folder / "cache", folder / "run", o);
  for (const char* const file : {"best.safetensors", "last.safetensors", "log.jsonl", "splits.json", "config.toml"}) {
    CHECK(fs::exists(folder / "run" / file));
  }
  const auto epochs = log_of(folder / "run", "epoch");
  REQUIRE(epochs.size() == 30);
  CHECK(epochs.back().at("train_loss").get<double>() < 0.9 * epochs.front().at("train_loss").get<double>());
  CHECK(epochs.back().at("dice").at("WT").get<double>() > 0.4);
  CHECK(epochs.back().at("all_background").at("dice").at("WT").get<double>() == 0);
  CHECK(log_of(folder / "run", "step").size() == 60);
}

TEST_CASE("a run that was interrupted and resumed ends with the same bits", "[training]") {
  const TempFolder folder;
  make_training_cache(folder / "cache");
  TrainOptions o = small_training();
  o.device = GENERATE(as<std::string>{}, "cpu", "simt");  // on a device the host is a step ahead of what it logs
  INFO(o.device);
  o.graph = "off";
  std::vector<std::string> more{"--device", o.device};
  if (o.device == "simt") {
    o.optimizer = "sgd";
    o.schedule = "poly";
    o.ema = 0.5;
    more.insert(more.end(), {"--optimizer", "sgd", "--schedule", "poly", "--ema", "0.5", "--graph", "on"});
  }
  train(folder / "cache", folder / "whole", o);
  if (o.device == "simt") { o.graph = "on"; }  // steps as graphs, before and after

  CHECK(train_and_interrupt(folder / "cache", folder / "parts", 3, more) == 130);
  const auto stopped = log_of(folder / "parts", "step").size();
  CHECK(stopped >= 3);
  if (stopped < 6) { train(folder / "cache", folder / "parts", o, Training::Start::resume); }
  CHECK(tensors_of(folder / "whole" / "last.safetensors") == tensors_of(folder / "parts" / "last.safetensors"));
  CHECK(tensors_of(folder / "whole" / "best.safetensors") == tensors_of(folder / "parts" / "best.safetensors"));
  CHECK(log_of(folder / "whole", "step") == log_of(folder / "parts", "step"));
  CHECK(log_of(folder / "whole", "epoch") == log_of(folder / "parts", "epoch"));
  CHECK(log_of(folder / "parts", "note").empty());
}

TEST_CASE("an epoch tells the learning rates that it used, on screen, in the log and in the plot", "[training]") {
  const TempFolder folder;
  make_training_cache(folder / "cache");
  const Ended e = voxgrad("train --widths 4 4 6 6 8 --folds 3 --epochs 4 --schedule cosine --warmup 2 -i " +
                          (folder / "cache").string() + " -o " + (folder / "cosine").string());
  REQUIRE(e.code == 0);
  CHECK_THAT(e.output, ContainsSubstring("lr 0.0005 to 0.001, "));
  check_rates(folder / "cosine", 4);
  const auto epochs = log_of(folder / "cosine", "epoch");
  CHECK(epochs.back().at("lr_last").get<double>() > 0);
  const std::vector<EpochRow> rows =
      epoch_rows(RunLog(folder / "cosine" / "log.jsonl", epochs.back().at("step")).epochs());
  CHECK(rows.front().learning_rate == 1e-3);
  CHECK(rows.back().learning_rate == epochs.back().at("lr_last").get<double>());

  TrainOptions o = small_training();
  o.epochs = 6;
  o.lr = 1e-9;  // learns nothing: the loss gets no better
  o.augment = "none";
  o.plateau_patience = 0;
  o.plateau_factor = 0.5;
  train(folder / "cache", folder / "plateau", o);
  check_rates(folder / "plateau", 6);
  const auto lowered = log_of(folder / "plateau", "epoch");
  CHECK(lowered[0].at("lr") == 1e-9);
  CHECK(lowered[1].at("lr") == 1e-9);  // after which it may be lowered at the earliest
  CHECK(lowered.back().at("lr").get<double>() < 1e-9);
}

TEST_CASE("a run that was interrupted within an epoch tells the same learning rates", "[training]") {
  const TempFolder folder;
  make_training_cache(folder / "cache");
  TrainOptions o = small_training();
  const fs::path splits = folder / "splits.json";  // all six train: three steps an epoch
  write_splits(splits, {{.train = {"case_0", "case_1", "case_2", "case_3", "case_4", "case_5"}, .val = {}}});
  o.splits = splits.string();
  o.schedule = "cosine";
  o.warmup = 4;
  train(folder / "cache", folder / "whole", o);
  check_rates(folder / "whole", 3);
  for (const char* const name : {"parts", "older"}) {
    const fs::path run = folder / name;
    CHECK(train_and_interrupt(folder / "cache", run, 1,
                              {"--splits", splits.string(), "--schedule", "cosine", "--warmup", "4"}) == 130);
    if (run.filename() == "older") { forget_rates(run / "last.safetensors"); }
    if (log_of(run, "step").size() < 9) { train(folder / "cache", run, o, Training::Start::resume); }
    CHECK(log_of(run, "epoch") == log_of(folder / "whole", "epoch"));
  }
}

TEST_CASE("cases whose names are no UTF-8 are trained on, and a resumed run finds them", "[training]") {
  const TempFolder folder;
  make_training_cache(folder / "cache");
  for (const char* const n : {"0", "1", "2"}) {
    fs::rename(folder / "cache" / ("case_" + std::string(n) + ".safetensors"),
               folder / "cache" / ("M\xFC" + std::string(n) + ".safetensors"));
  }
  TrainOptions o = small_training();
  o.epochs = 1;
  train(folder / "cache", folder / "run", o);
  CHECK_THAT(read_bytes(folder / "run" / "splits.json"), ContainsSubstring(R"("M\\xfc0")"));
  o.epochs = 2;
  train(folder / "cache", folder / "run", o, Training::Start::resume);
  CHECK(log_of(folder / "run", "epoch").size() == 2);
  fs::copy(folder / "cache" / "case_3.safetensors", folder / "cache" / "M\\xfc0.safetensors");
  CHECK_THROWS_WITH(train(folder / "cache", folder / "other", o), ContainsSubstring("holds two cases 'M\\xfc0'"));
}

TEST_CASE("a device that augments a run's cases trains on what the cpu's loader makes of them", "[training][simt]") {
  const TempFolder folder;
  make_training_cache(folder / "cache");
  TrainOptions o = small_training();
  o.widths = {2, 2, 2, 2, 2};
  o.epochs = 2;  // of one step each
  o.batch = 4;
  o.micro_batch = 2;
  o.adam_eps = 1e-2;  // above the rounding errors of f32, which Adam would divide by their own size
  const auto losses = [&](const char* device, const char* augment) {
    o.device = device;
    o.augment = augment;
    const fs::path run = folder / (std::string(device) + augment);
    train(folder / "cache", run, o);
    std::vector<double> all;
    for (const auto& step : log_of(run, "step")) { all.push_back(step.at("loss")); }
    return all;
  };
  const auto furthest = [](const std::vector<double>& a, const std::vector<double>& b) {
    REQUIRE(a.size() == 2);
    REQUIRE(b.size() == 2);
    return std::max(std::abs(a[0] / b[0] - 1), std::abs(a[1] / b[1] - 1));
  };
  const std::vector<double> cpu = losses("cpu", "all");
  CHECK(furthest(losses("simt", "all"), cpu) < 1e-5);
  const std::vector<double> plain = losses("cpu", "none");
  CHECK(furthest(losses("simt", "none"), plain) < 1e-5);
  CHECK(furthest(cpu, plain) > 1e-3);
}

TEST_CASE("threads of the kernels and of the loader do not change a run", "[training]") {
  const TempFolder folder;
  make_training_cache(folder / "cache");
  TrainOptions o = small_training();
  o.epochs = 1;
  o.threads = 1;
  train(folder / "cache", folder / "one", o);
  o.threads = 3;
  o.loader_threads = 2;
  train(folder / "cache", folder / "three", o);
  CHECK(tensors_of(folder / "one" / "last.safetensors") == tensors_of(folder / "three" / "last.safetensors"));
}

TEST_CASE("a run refuses what would lose or mix results", "[training][errors]") {
  const TempFolder folder;
  make_training_cache(folder / "cache");
  TrainOptions o = small_training();
  o.epochs = 1;
  CHECK_THROWS_WITH(train(folder / "cache", folder / "run", o, Training::Start::resume),
                    ContainsSubstring("no last.safetensors to resume from"));
  train(folder / "cache", folder / "run", o);
  CHECK_THROWS_WITH(train(folder / "cache", folder / "run", o), ContainsSubstring("holds a run already"));
  CHECK_THROWS_WITH(train(folder / "cache", folder / "run", o, Training::Start::resume),
                    ContainsSubstring("give --epochs a larger number"));
  o.preset = "tutorial";
  CHECK_THROWS_WITH(train(folder / "cache", folder / "other", o), ContainsSubstring("preset 'tutorial' wants 3"));
  o = small_training();
  o.size = 32;
  CHECK_THROWS_WITH(train(folder / "cache", folder / "other", o),
                    ContainsSubstring("prepared at size 16, --size wants 32"));
  o = small_training();
  o.micro_batch = 3;
  CHECK_THROWS_WITH(train(folder / "cache", folder / "other", o), ContainsSubstring("--micro-batch is 3"));
  o = small_training();
  o.fold = 7;
  CHECK_THROWS_WITH(train(folder / "cache", folder / "other", o),
                    ContainsSubstring("--fold is 7, wants 0 to 2: --folds 3 makes 3 folds of the 6 cases"));
  o = small_training();
  o.schedule = "cosine";
  o.warmup = 6;
  CHECK_THROWS_WITH(train(folder / "cache", folder / "other", o), ContainsSubstring("--warmup is 6, wants fewer than"));
  o = small_training();
  o.validate_every = 0;  // a resumed run is asked as well
  CHECK_THROWS_WITH(train(folder / "cache", folder / "run", o, Training::Start::resume),
                    ContainsSubstring("--validate-every is 0"));
  CHECK_FALSE(fs::exists(folder / "other"));
}

TEST_CASE("the options a run wrote down start the same run again", "[training]") {
  const TempFolder folder;
  make_training_cache(folder / "cache");
  TrainOptions o = small_training();
  o.epochs = 1;
  o.class_weights = {0.5, 1, 1, 2};
  o.seed = std::numeric_limits<std::uint64_t>::max();  // which TOML has no number for
  train(folder / "cache", folder / "first", o);
  const std::string command =
      fmt::format("{} train --config {} -i {} -o {} > {}", VOX_PROGRAM, (folder / "first" / "config.toml").string(),
                  (folder / "cache").string(), (folder / "second").string(), (folder / "out.txt").string());
  REQUIRE(std::system(command.c_str()) == 0);  // NOLINT: a test's own command
  CHECK(tensors_of(folder / "first" / "last.safetensors") == tensors_of(folder / "second" / "last.safetensors"));
  CHECK(read_bytes(folder / "first" / "config.toml") == read_bytes(folder / "second" / "config.toml"));
}

TEST_CASE("options of a resumed run: what shapes the result must stay, what changes the time may not", "[training]") {
  const TrainOptions run = small_training();
  TrainOptions asked = run;
  asked.lr = 5;
  asked.epochs = 9;
  CHECK(resumed(run, asked, {"epochs"}).epochs == 9);
  CHECK(resumed(run, asked, {"epochs"}).lr == run.lr);
  CHECK_THROWS_WITH(resumed(run, asked, {"lr"}), ContainsSubstring("lr is 0.01 in the run, 5.0 was asked"));
  CHECK(to_json(train_options_from_json(to_json(run), "x")) == to_json(run));
  CHECK_THROWS_AS(train_options_from_json("{}", "x"), DataError);
}

TEST_CASE("a run from before an option existed goes on, unless the option shapes its result", "[training]") {
  const TrainOptions run = small_training();
  nlohmann::json stored = nlohmann::json::parse(to_json(run));
  stored.erase("fusion");
  stored.erase("conv");
  CHECK(to_json(train_options_from_json(stored.dump(), "x")) == to_json(run));
  stored.erase("loss");
  CHECK_THROWS_WITH(train_options_from_json(stored.dump(), "last.safetensors"),
                    ContainsSubstring("last.safetensors") && ContainsSubstring("loss"));
}

TEST_CASE("a network of regions learns by dice and bce, and its run says what its channels mean", "[training]") {
  const TempFolder folder;
  make_training_cache(folder / "cache");
  TrainOptions o = small_training();
  o.targets = "regions";
  o.loss = "dice+bce";
  o.epochs = 6;
  train(folder / "cache", folder / "run", o);
  const auto epochs = log_of(folder / "run", "epoch");
  REQUIRE(epochs.size() == 6);
  CHECK(epochs.back().at("train_loss").get<double>() < 0.9 * epochs.front().at("train_loss").get<double>());

  const Ensemble ensemble({folder / "run"});
  CHECK(ensemble.config().targets == Targets::regions);
  CHECK(ensemble.config().classes == 3);
  const PreparedFile file(find_prepared_cases(folder / "cache").front());
  std::vector<float> converted;
  const Segmenter::Output out = ensemble.run(file.image(converted), {16, 16, 16});
  for (std::size_t i = 0; i < out.logits.size(); i += 7) {
    CHECK(std::abs(out.probabilities[i] - 1 / (1 + std::exp(-static_cast<double>(out.logits[i])))) < 1e-6);
  }
  // A validation of the best network gives the scores of the labels that it would write.
  const CheckpointFile checkpoint(folder / "run" / "best.safetensors");
  UNet3d net(checkpoint.config(), DType::f32, kNoWeights);
  checkpoint.load(net);
  const Validation v = validate(net, {find_prepared_cases(folder / "cache").front()}, loss_options(o));
  const LabelMap labels = restore_labels(out.probabilities, file.info().mapping, 1, Decision::regions);
  Confusion wanted;
  wanted.add(file.label(), labels.values);
  CHECK(v.confusion.counts == wanted.counts);
}

}  // namespace vox::test
