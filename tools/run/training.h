#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "data/loading/loader.h"
#include "data/prepare/prepared_case.h"
#include "engine/uploader.h"
#include "model/checkpoint.h"
#include "model/schedule.h"
#include "model/train_step.h"
#include "tools/run/memory_plan.h"
#include "tools/run/train_options.h"
#include "tools/run/training_progress.h"
#include "tools/run/validation.h"

namespace vox {

class RunLog;  // tools/run/run_log.h

/// A training run in a folder: config.toml, splits.json, log.jsonl, progress.png, best.safetensors and
/// last.safetensors. Its result depends on the options, the cases and nothing else: neither on threads nor on where it
/// was interrupted.
class Training {
 public:
  enum class Start : std::uint8_t { fresh, resume };

  /// fresh: the folder must not hold a run yet. resume: it must, and training goes on from last.safetensors, bit for
  /// bit. memory: what --memory says. Throws MemoryError when a step does not fit, before anything is made.
  Training(std::filesystem::path cache, std::filesystem::path run, const TrainOptions&, Start,
           const std::string& memory = {});
  ~Training();
  Training(const Training&) = delete;
  Training& operator=(const Training&) = delete;
  Training(Training&&) = delete;
  Training& operator=(Training&&) = delete;

  /// Trains until the last epoch and prints how it goes. Ctrl-C ends the current step, writes last.safetensors and
  /// throws ExitCode{130} (tools/ui/exit_code.h).
  void run();

 private:
  struct StepResult {
    double loss;
    double gradient_norm;
  };

  void say_start() const;
  void run_epoch();
  /// Gives the next batch to the uploader: what is returned has no values.
  [[nodiscard]] std::optional<Batch> stage_next();
  /// One step on `now`, the batch that was staged last; meanwhile `next` is read and brought to the device.
  [[nodiscard]] StepResult run_step(const Batch& now, double lr, std::optional<Batch>& next);
  void check_finite(double loss, const Batch&) const;
  void end_epoch();
  void save(const std::filesystem::path&) const;
  void restore();
  [[nodiscard]] Metadata metadata() const;

  std::filesystem::path folder_;
  TrainOptions options_;
  PreparedInfo prepared_;  ///< of the first case: recipe and size are the same in all
  Device device_;
  std::vector<std::filesystem::path> train_files_;
  std::vector<std::filesystem::path> val_files_;
  LossOptions loss_;
  std::unique_ptr<Loader> loader_;
  std::unique_ptr<Uploader> uploader_;
  std::unique_ptr<UNet3d> net_;
  std::unique_ptr<Adam> adam_;
  std::unique_ptr<Schedule> schedule_;
  std::unique_ptr<RunLog> log_;
  TrainingProgress progress_;
  std::unique_ptr<RunMemory> memory_;
};

}  // namespace vox
