#include "tools/run/run_files.h"

#include <utility>

#include "engine/atomic_file.h"
#include "engine/context.h"
#include "engine/ranks/communicator.h"
#include "kernels/base/check.h"
#include "model/checkpoint.h"
#include "tools/run/epoch_report.h"
#include "tools/ui/plot.h"

namespace vox {

namespace fs = std::filesystem;

RunFiles::RunFiles(fs::path folder, const TrainOptions& options, Communicator& ranks)
    : folder_(std::move(folder)), options_(options), ranks_(ranks), writes_(ranks.rank() == 0) {}

/// Where there is a folder; what a killed run has left half-written goes.
void RunFiles::lock() {
  if (lock_ || !fs::is_directory(folder_)) { return; }
  lock_ = std::make_unique<FolderLock>(folder_, "voxgrad train");
  remove_temporaries(folder_, "");
}

void RunFiles::check(Training::Start start) {
  if (!writes_) { return; }
  lock();
  const bool holds_run = fs::exists(folder_ / "last.safetensors");
  if (start == Training::Start::fresh) {
    VOX_CHECK(!holds_run, "{}: holds a run already; give --resume to go on with it, or another folder",
              folder_.string());
  } else {
    VOX_CHECK(holds_run, "{}: there is no last.safetensors to resume from", folder_.string());
  }
}

void RunFiles::begin(Training::Start start, const TrainingProgress& progress, const RunOutputs& outputs,
                     const std::vector<Split>& folds, std::span<const fs::path> train, std::span<const fs::path> val) {
  const bool fresh = start == Training::Start::fresh;
  if (writes_) {
    make_folders(folder_);
    check(start);  // another program may have begun since the first look
    if (fresh) { write_splits(folder_ / "splits.json", folds); }
    write_file(folder_ / "config.toml", to_toml(options_));
    const std::int64_t last_step = fresh ? -1 : progress.step;
    log_ = std::make_unique<RunLog>(folder_ / "log.jsonl", last_step, progress.epoch);
    if (options_.tensorboard == "on") { events_ = std::make_unique<RunEvents>(folder_, last_step, progress.epoch); }
    if (!outputs.environment.empty()) { write_file(folder_ / "env.json", outputs.environment); }
  }
  report_ = std::make_unique<RunReport>(folder_, outputs.report, log_ ? log_->history() : none_, ranks_);
  report_->begin(fresh, train, val, cpu_queue().threads);
}

void RunFiles::write(const Json& line) {
  if (!writes_) { return; }
  const std::string type = line.value("type", "");
  if (events_ && (type == "step" || type == "epoch")) { events_->write(line); }
  log_->write(line);
}

OnValidated RunFiles::listener(Targets targets) {
  return [this, targets, report = report_->listener(targets)](const PreparedFile& file, const CaseValidation& scores,
                                                              const Tensor& logits) {
    if (report) { report(file, scores, logits); }
    if (events_) { events_->show(file, logits, targets); }
  };
}

void RunFiles::save(const std::string& name, const UNet3d& net, const Optimizer& optimizer, Metadata metadata,
                    const WeightAverage* average) const {
  if (!writes_) { return; }
  log_->sync();
  if (events_) { events_->sync(); }
  save_checkpoint(folder_ / name, net, &optimizer, std::move(metadata), average);
}

void RunFiles::draw(bool running) {
  if (!writes_) { return; }
  plot_training(folder_ / "progress.png", epoch_rows(log_->epochs()));
  report_->write(running);
}

}  // namespace vox
