#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "data/loading/loader.h"
#include "data/prepare/prepared_case.h"
#include "engine/readback.h"
#include "engine/uploader.h"
#include "model/checkpoint.h"
#include "model/optimizer.h"
#include "model/schedule.h"
#include "model/step_graph.h"
#include "model/weight_average.h"
#include "tools/run/memory_plan.h"
#include "tools/run/step_digest.h"
#include "tools/run/train_options.h"
#include "tools/run/training_progress.h"
#include "tools/run/validation.h"

namespace vox {

class Communicator;  // engine/ranks/communicator.h
class RankSums;      // engine/ranks/rank_sums.h
class RunControl;    // tools/run/run_control.h
class RunFiles;      // tools/run/run_files.h
class ProgressBar;   // tools/ui/progress_bar.h
struct RunRank;      // tools/run/run_ranks.h

/// What a run leaves beside its result, and takes no part in it.
struct RunOutputs {
  bool report = true;            ///< report.html, data.json and pictures.json
  std::string environment = {};  ///< JSON, for env.json; empty: no such file
  std::string program = {};      ///< its name and build, for the log; empty: not said
};

/// A training run in a folder: config.toml, splits.json, log.jsonl, events.out.tfevents.voxgrad, progress.png,
/// report.html, best.safetensors and last.safetensors (docs/run-folder.md). Its result depends on the options, the
/// cases and nothing else: neither on threads nor on ranks nor on where it was interrupted.
///
/// Ranks each have a Training of the same options, and all calls are collective. Rank 0 reads and writes the folder;
/// the others, who need not see it, are told what is in it. Each reads the cases it computes in a cache of its own or
/// one for all. What ends one of them, a signal, ends all after the same step.
class Training {
 public:
  enum class Start : std::uint8_t { fresh, resume };

  /// fresh: the folder must not hold a run yet. resume: it must, and training goes on from last.safetensors, bit for
  /// bit. memory: what --memory says. Throws MemoryError when a step does not fit, before anything is made.
  Training(const std::filesystem::path& cache, std::filesystem::path run, const TrainOptions&, Start,
           const std::string& memory = {}, const RunOutputs& = {}, Communicator* ranks = nullptr);
  ~Training();
  Training(const Training&) = delete;
  Training& operator=(const Training&) = delete;
  Training(Training&&) = delete;
  Training& operator=(Training&&) = delete;

  /// Trains until the last epoch, or until --stop-patience ends it, and prints how it goes. What else ends it before,
  /// or asks for a checkpoint: tools/run/run_control.h. Ctrl-C ends the current step, writes last.safetensors and
  /// throws ExitCode{130} (tools/ui/exit_code.h). A number that is not finite throws NonFiniteError saying where it
  /// came from.
  void run();

 private:
  /// A step that is submitted and whose loss nobody has looked at.
  struct Step {
    Batch batch;  ///< without its values
    double lr = 0;
    SubmittedTraining submitted;
    Readback* results = nullptr;  ///< losses, then the update's squares
  };

  void make_loader();
  /// What the run holds beside the tensors of a step, with the loader there is.
  [[nodiscard]] HostHolds holds() const;
  void find_patch(const MemoryLimit&);  ///< for --patch auto
  void say_start() const;
  void say_ranks() const;
  void log_start();
  void run_epoch(RunControl&);
  /// Gives the next batch to the uploader: what is returned has no values.
  [[nodiscard]] std::optional<Batch> stage_next();
  /// Submits a step on the batch that was staged last. number: of the steps before it.
  [[nodiscard]] Step submit(Batch, std::int64_t number);
  void say_notes();  ///< of steps that were not what say_start() promised
  /// Waits for a step, checks and logs it and shows it on the bar.
  void report(Step, ProgressBar&);
  /// Does the line of the step that is reported next get a digest?
  [[nodiscard]] bool digest_is_due() const;
  void check_finite(double loss) const;
  /// Does the step on this batch, which is the next to be reported, once more to see where the fault began, on whatever
  /// rank.
  [[nodiscard]] std::string where_not_finite(const Batch&);
  void end_epoch();
  /// The network that is validated and is best.safetensors: the averaged one where there is one.
  [[nodiscard]] const UNet3d& judged() const { return average_ ? average_->net() : *net_; }
  void save_best() const;
  void save_last() const;
  void restore();
  [[nodiscard]] Metadata metadata() const;

  TrainOptions options_;
  Communicator& ranks_;
  std::vector<RunRank> met_;
  std::unique_ptr<RunFiles> files_;
  std::array<std::unique_ptr<Communicator>, 2> exchanges_;  ///< where tensors are: of this thread, and of sums_'
  std::unique_ptr<RankSums> sums_;                          ///< of several ranks
  Recipe recipe_;                                           ///< of all cases
  Device device_;
  std::vector<std::filesystem::path> train_files_;
  std::vector<std::filesystem::path> val_files_;
  std::vector<std::string> notes_;        ///< what is unusual about them
  std::optional<WindowOptions> windows_;  ///< of validation; nothing: cases go through the network whole
  LossOptions loss_;
  std::optional<AugmentOptions> augments_there_;  ///< what the device does to a batch; nothing: the loader does it
  std::unique_ptr<Loader> loader_;
  std::unique_ptr<Uploader> uploader_;
  std::array<Readback, 2> readbacks_;  ///< of the step that runs and the one before it
  std::unique_ptr<UNet3d> net_;
  std::unique_ptr<Optimizer> optimizer_;
  std::unique_ptr<WeightAverage> average_;  ///< with --ema
  std::unique_ptr<StepGraphs> steps_;
  std::unique_ptr<Schedule> schedule_;
  DigestCadence digests_;
  std::string program_;  ///< for the log
  TrainingProgress progress_;
  std::chrono::steady_clock::time_point last_report_;  ///< or the beginning of the epoch
  std::unique_ptr<RunMemory> memory_;
  MemoryLimit limit_;
};

}  // namespace vox
