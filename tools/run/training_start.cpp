// What a run says of itself when it begins, on the screen and in its log.
#include <fmt/format.h>

#include <algorithm>

#include "engine/allocator.h"
#include "engine/context.h"
#include "engine/json.h"
#include "engine/ranks/communicator.h"
#include "tools/run/run_files.h"
#include "tools/run/run_ranks.h"
#include "tools/run/training.h"
#include "tools/run/training_cases.h"
#include "tools/ui/output.h"

namespace vox {

void Training::say_start() const {
  print_safely("{}: preset {}, {} parameters, {}, batch {}\n", files_->folder().string(), options_.preset,
               net_->parameter_count(), recipe_text(recipe_), options_.batch);
  print_safely("cases: {} to train, {} to validate (fold {})\n", train_files_.size(), val_files_.size(), options_.fold);
  if (const auto patch = patch_options(options_)) {
    print_safely("patches of {}, a share of {:g} with tumour; validation {}\n", extents_text(patch->size),
                 patch->foreground, windows_ ? "by windows of that extent" : "on whole cubes");
    for (const std::string& note : notes_) { print_safely("note: {}\n", note); }
  }
  if (const std::string unlocked = files_->unlocked(); !unlocked.empty()) { print_safely("note: {}\n", unlocked); }
  print_safely("{}\n", loader_->memory_plan());
  const StepPlan& step = memory_->largest_step();
  print_safely("step: peak of tensors {}, {} from the system\n", bytes_text(step.peak_bytes),
               bytes_text(step.system_bytes()));
  if (options_.augment != "none" && !options_.augment.empty()) {
    print_safely("augmentation: {}, by {}\n", augment_text(options_.augment),
                 augments_there_ ? "the device" : "the loader's threads");
  }
  print_safely("{}; loss {}; {} lr {:g}, schedule {}{}\n", describe(device_), loss_name(loss_.terms),
               options_.optimizer, options_.lr, options_.schedule,
               steps_->used() ? "; a step is one launch of a graph" : "");
  if (average_) {
    print_safely("validation and best.safetensors: the average of the weights, decay {:g}\n", options_.ema);
  }
  if (ranks_.size() > 1) { say_ranks(); }
  if (options_.micro_batch < options_.batch) {
    print_safely(
        "note: gradients are accumulated over micro-batches of {}, and {}dice sums are those of each micro-batch, not "
        "of the batch of {}: another --micro-batch gives another result. Ranks do not: they share each micro-batch\n",
        options_.micro_batch, net_->config().norm == Norm::batch ? "batch-norm statistics and " : "", options_.batch);
  }
  if (progress_.step > 0) { print_safely("resuming at epoch {}, step {}\n", progress_.epoch + 1, progress_.step); }
}

void Training::say_ranks() const {
  print_safely("{}\n", ranks_text(met_, ranks_.name()));
  if (options_.reduce == "fast") {
    print_safely(
        "note: --reduce fast: sums over ranks are in another order for another number of them, and so is the "
        "result\n");
  }
  if (device_ != Device::cpu && (options_.graph == "on" || (options_.graph == "auto" && device_ == Device::cuda))) {
    print_safely("note: of several ranks a step is submitted kernel by kernel, not launched as a graph\n");
  }
  const std::int64_t least = std::min(options_.micro_batch, loader_->samples_per_epoch());
  if (least < ranks_.size()) {
    print_safely("note: of {} cases at a time {} of {} ranks have none\n", least, ranks_.size() - least, ranks_.size());
  }
}

void Training::log_start() {
  const StepPlan& step = memory_->largest_step();
  Json line{{"type", "start"},
            {"step", progress_.step},
            {"epoch", progress_.epoch + 1},
            {"epochs", options_.epochs},
            {"augmentation", augment_text(options_.augment)},
            {"augmented_by", augments_there_ ? "device" : "loader"},
            {"device", describe(device_)},
            {"memory",
             {{"step_peak_bytes", step.peak_bytes},
              {"step_system_bytes", step.system_bytes()},
              {"validation_peak_bytes", memory_->validation().peak_bytes},
              {"waiting_bytes", waiting_bytes(step_request(options_, device_, &ranks_), holds())},
              {"limit_bytes", limit_.bytes},
              {"limit_source", limit_.source}}}};
  if (!program_.empty()) { line["program"] = program_; }
  if (ranks_.size() > 1) {
    line["ranks"] = to_json(met_);
    line["communicator"] = ranks_.name();
    line["reduce"] = options_.reduce;
  }
  files_->write(line);
}

}  // namespace vox
