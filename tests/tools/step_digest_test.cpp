#include "tools/run/step_digest.h"

#include <cmath>
#include <csignal>
#include <fstream>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>

#include "engine/context.h"
#include "kernels/base/check.h"
#include "model/checkpoint.h"
#include "tests/support/catch.h"
#include "tests/support/files.h"
#include "tests/support/training_run.h"
#include "tools/run/stored_run.h"

namespace vox::test {
namespace {

namespace fs = std::filesystem;

/// Steps of a run that have a digest.
std::vector<std::int64_t> steps_with_digest(const fs::path& run) {
  std::vector<std::int64_t> steps;
  for (const auto& line : log_of(run, "step")) {
    if (line.contains("digest")) { steps.push_back(line.at("step")); }
  }
  return steps;
}

TrainOptions two_epochs() {
  TrainOptions o = small_training();
  o.epochs = 2;
  o.steps_per_epoch = 3;
  o.threads = 1;
  return o;
}

}  // namespace

TEST_CASE("a step's digest is that of the weights that it left, and of its loss", "[training]") {
  const TempFolder folder;
  make_training_cache(folder / "cache");
  train(folder / "cache", folder / "run", two_epochs());
  CHECK(steps_with_digest(folder / "run") == std::vector<std::int64_t>{1, 2, 3, 4, 5, 6});
  const auto last = log_of(folder / "run", "step").back();

  const CheckpointFile file(folder / "run" / "last.safetensors");
  UNet3d net(file.config(), DType::f32, kNoWeights);
  file.load(net);
  const double loss = last.at("loss");
  CHECK(step_digest(loss, net) == last.at("digest"));
  CHECK(step_digest(std::nextafter(loss, 1), net) != last.at("digest"));
  for (const auto* const tensors : {&net.parameters(), &net.buffers()}) {  // the last bit of any one of them counts
    for (const NamedTensor& t : *tensors) {
      INFO(t.name);
      Tensor tensor = t.tensor;
      auto& value = tensor.mutable_values<float>().back();
      const float before = std::exchange(value, std::nextafter(value, 2 * value + 1));
      CHECK(step_digest(loss, net) != last.at("digest"));
      value = before;
    }
  }
  CHECK(step_digest(loss, net) == last.at("digest"));
}

TEST_CASE("digests are the same whatever the threads, and however many of them there are", "[training]") {
  const TempFolder folder;
  make_training_cache(folder / "cache");
  TrainOptions o = two_epochs();
  train(folder / "cache", folder / "one", o);
  o.threads = 3;
  o.digest = "2";
  train(folder / "cache", folder / "three", o);
  CHECK(steps_with_digest(folder / "three") == std::vector<std::int64_t>{2, 3, 4, 6});
  const auto all = log_of(folder / "one", "step");
  for (const auto& line : log_of(folder / "three", "step")) {
    if (line.contains("digest")) { CHECK(line == all.at(line.at("step").get<std::size_t>() - 1)); }
  }
  o.digest = "off";
  train(folder / "cache", folder / "off", o);
  CHECK(steps_with_digest(folder / "off").empty());
  CHECK(tensors_of(folder / "off" / "last.safetensors") == tensors_of(folder / "one" / "last.safetensors"));
}

TEST_CASE("on a device that is a step ahead a digest is of its own step", "[training]") {
  const TempFolder folder;
  make_training_cache(folder / "cache");
  TrainOptions o = small_training();
  o.device = "simt";
  o.batch = 1;
  o.widths = {2, 2, 2};
  o.epochs = 1;
  o.steps_per_epoch = 1;
  train(folder / "cache", folder / "one", o);
  REQUIRE(steps_with_digest(folder / "one") == std::vector<std::int64_t>{1});  // the epoch's last
  o.steps_per_epoch = 2;
  o.digest = "1";
  o.graph = "on";
  train(folder / "cache", folder / "two", o);
  CHECK(steps_with_digest(folder / "two") == std::vector<std::int64_t>{1, 2});
  CHECK(log_of(folder / "two", "step").front() == log_of(folder / "one", "step").front());
}

TEST_CASE("a run that is killed and goes on has each step and epoch once, as the whole one", "[training]") {
  const TempFolder folder;
  make_training_cache(folder / "cache");
  TrainOptions o = small_training();
  o.epochs = 3;
  o.steps_per_epoch = 15;
  o.threads = 1;
  train(folder / "cache", folder / "whole", o);
  REQUIRE(log_of(folder / "whole", "epoch").back().at("cases").size() == 2);
  const std::vector<std::string> options{"--steps-per-epoch", "15", "--save-every", "0.00001", "--threads", "1"};
  const fs::path run = folder / "run";
  const auto stop = [](int process) { kill(process, SIGKILL); };
  CHECK(train_with_program(folder / "cache", run, 30, stop, options) == 1000 + SIGKILL);
  // As if the last checkpoint had been an earlier one: lines of later steps are there, and are to be replaced.
  const std::int64_t done = stored_run(run).progress.step;
  CHECK(done >= 1);
  {
    std::ofstream log(run / "log.jsonl", std::ios::app);
    log << R"({"type":"epoch","step":)" << done << R"(,"epoch":9})" << '\n';
    log << R"({"type":"step","step":)" << done + 1 << R"(,"epoch":9,"loss":7})" << '\n' << R"({"type":"epo)";
  }
  train(folder / "cache", run, o, Training::Start::resume);
  CHECK(log_of(run, "step") == log_of(folder / "whole", "step"));
  CHECK(log_of(run, "epoch") == log_of(folder / "whole", "epoch"));
  CHECK(steps_with_digest(run).size() == 45);
}

TEST_CASE("how often there is a digest follows from the options", "[training]") {
  TrainOptions o;
  o.size = 64;
  o.batch = 2;
  CHECK(digest_cadence(o, Device::cpu, 5'647'732).every == 1);
  o.size = 32;
  CHECK(digest_cadence(o, Device::cpu, 5'647'732).every == 6);  // 5647732 / (16 * 2 * 32^3) = 5.4
  CHECK(digest_cadence(o, Device::cuda, 5'647'732).every == 0);
  CHECK(digest_cadence(o, Device::cuda, 5'647'732).is_due(7, true));
  o.digest = "10";
  CHECK(digest_cadence(o, Device::cuda, 1).every == 10);
  CHECK(digest_cadence(o, Device::cuda, 1).is_due(20, false));
  CHECK_FALSE(digest_cadence(o, Device::cuda, 1).is_due(21, false));
  o.digest = "off";
  CHECK_FALSE(digest_cadence(o, Device::cpu, 1).is_due(20, true));
  for (const char* const wrong : {"0", "-1", "1.5", "often", ""}) {
    o.digest = wrong;
    CHECK_THROWS_WITH(check_options(o), ContainsSubstring("--digest is '") && ContainsSubstring("wants auto, off"));
  }
}

}  // namespace vox::test
