#include "tools/run/run_control.h"

#include <chrono>
#include <csignal>
#include <thread>

#include "kernels/base/check.h"
#include "tests/support/catch.h"
#include "tests/support/files.h"
#include "tests/support/training_run.h"
#include "tools/run/training.h"

namespace vox::test {
namespace {

namespace fs = std::filesystem;

template <class Condition> bool comes_true(const Condition& condition) {
  for (int wait = 0; wait < 3000; ++wait) {
    if (condition()) { return true; }
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return false;
}

}  // namespace

TEST_CASE("a checkpoint is due when it is asked for, or when its time has come", "[training]") {
  const TempFolder folder;
  {
    RunControl never(folder.path(), 0);
    CHECK_FALSE(never.after_step().checkpoint);
    REQUIRE(std::raise(SIGUSR1) == 0);
    CHECK(never.after_step().checkpoint);
    CHECK_FALSE(never.after_step().checkpoint);
    CHECK_FALSE(never.after_step().interrupted);
  }
  RunControl often(folder.path(), 1e-9);
  CHECK(comes_true([&] { return often.after_step().checkpoint; }));
  RunControl rarely(folder.path(), 1e6);
  CHECK_FALSE(rarely.after_step().checkpoint);
}

TEST_CASE("a file named stop ends a run after the epoch, and is gone", "[training]") {
  const TempFolder folder;
  write_bytes(folder / "stop", "");  // of an earlier run
  RunControl control(folder.path(), 10);
  CHECK_FALSE(fs::exists(folder / "stop"));
  CHECK_FALSE(control.stop_asked());

  make_training_cache(folder / "cache");
  const auto ask = [&](int) { write_bytes(folder / "run" / "stop", ""); };
  CHECK(train_with_program(folder / "cache", folder / "run", 2, ask, {"--epochs", "100000"}) == 0);
  CHECK_FALSE(fs::exists(folder / "run" / "stop"));
  const auto epochs = log_of(folder / "run", "epoch");
  REQUIRE_FALSE(epochs.empty());
  CHECK(log_of(folder / "run", "step").size() == 2 * epochs.size());

  // What it leaves is a run that ended there, and goes on.
  TrainOptions o = small_training();
  o.epochs = std::ssize(epochs);
  train(folder / "cache", folder / "same", o);
  CHECK(tensors_of(folder / "run" / "last.safetensors") == tensors_of(folder / "same" / "last.safetensors"));
  o.epochs += 1;
  train(folder / "cache", folder / "run", o, Training::Start::resume);
  CHECK(log_of(folder / "run", "epoch").size() == epochs.size() + 1);
}

TEST_CASE("a run killed within an epoch goes on from the checkpoint that was asked for, bit for bit", "[training]") {
  const TempFolder folder;
  make_training_cache(folder / "cache");
  TrainOptions o = small_training();
  o.steps_per_epoch = 150;
  o.epochs = 1;
  train(folder / "cache", folder / "whole", o);
  const fs::path run = folder / "run";
  const auto ask_and_kill = [&](int process) {
    kill(process, SIGUSR1);
    CHECK(comes_true([&] { return !log_of(run, "checkpoint").empty(); }));
    kill(process, SIGKILL);
  };
  const std::vector<std::string> options{"--steps-per-epoch", "150", "--epochs", "1", "--threads", "1"};
  CHECK(train_with_program(folder / "cache", run, 3, ask_and_kill, options) == 1000 + SIGKILL);
  CHECK(log_of(run, "epoch").empty());
  train(folder / "cache", run, o, Training::Start::resume);
  CHECK(tensors_of(run / "last.safetensors") == tensors_of(folder / "whole" / "last.safetensors"));
  CHECK(log_of(run, "step") == log_of(folder / "whole", "step"));
}

TEST_CASE("checkpoints within an epoch change no run", "[training]") {
  const TempFolder folder;
  make_training_cache(folder / "cache");
  TrainOptions o = small_training();
  o.device = GENERATE(as<std::string>{}, "cpu", "simt");  // a device is a step ahead when its checkpoint is due
  o.epochs = 1;
  o.save_every = 0;
  train(folder / "cache", folder / "none", o);
  o.save_every = 1e-9;
  train(folder / "cache", folder / "often", o);
  CHECK(log_of(folder / "none", "checkpoint").empty());
  CHECK(log_of(folder / "often", "checkpoint").size() == 2);
  CHECK(tensors_of(folder / "none" / "last.safetensors") == tensors_of(folder / "often" / "last.safetensors"));
  o.save_every = -1;
  CHECK_THROWS_WITH(train(folder / "cache", folder / "wrong", o), ContainsSubstring("--save-every is -1"));
}

TEST_CASE("a run ended by a number that is not finite says where it came from", "[training][errors]") {
  const TempFolder folder;
  make_training_cache(folder / "cache");
  TrainOptions o = small_training();
  o.device = GENERATE(as<std::string>{}, "cpu", "simt");
  o.lr = 1e30;
  o.schedule = "constant";
  std::string message;
  try {
    train(folder / "cache", folder / "run", o);
  } catch (const NonFiniteError& e) { message = e.what(); }
  CHECK_THAT(message, ContainsSubstring("step 2 (epoch 1, lr 1e+30, cases case_") &&
                          ContainsSubstring("The step was done again: encoder.0.norm1: the result of batch_norm") &&
                          ContainsSubstring("(sample ") && ContainsSubstring("numbers are not finite"));
  const auto lines = log_of(folder / "run", "not finite");
  REQUIRE(lines.size() == 1);
  CHECK(lines[0].at("step") == 2);
  CHECK(lines[0].at("cases").size() == 2);
  CHECK_FALSE(fs::exists(folder / "run" / "best.safetensors"));
}

}  // namespace vox::test
