// What a run says of itself when it begins, on the screen and in its log.
#include <fmt/format.h>

#include "engine/allocator.h"
#include "engine/context.h"
#include "engine/json.h"
#include "tools/run/run_log.h"
#include "tools/run/training.h"
#include "tools/run/training_cases.h"
#include "tools/ui/output.h"

namespace vox {

void Training::say_start() const {
  print_safely("{}: preset {}, {} parameters, {}, batch {}\n", folder_.string(), options_.preset,
               net_->parameter_count(), recipe_text(recipe_), options_.batch);
  print_safely("cases: {} to train, {} to validate (fold {})\n", train_files_.size(), val_files_.size(), options_.fold);
  if (const auto patch = patch_options(options_)) {
    print_safely("patches of {}, a share of {:g} with tumour; validation {}\n", extents_text(patch->size),
                 patch->foreground, windows_ ? "by windows of that extent" : "on whole cubes");
    for (const std::string& note : notes_) { print_safely("note: {}\n", note); }
  }
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
  if (options_.micro_batch < options_.batch) {
    print_safely(
        "note: gradients are accumulated over micro-batches of {}; {}dice sums are those of each micro-batch, not of "
        "the batch of {}\n",
        options_.micro_batch, net_->config().norm == Norm::batch ? "batch-norm statistics and " : "", options_.batch);
  }
  if (progress_.step > 0) { print_safely("resuming at epoch {}, step {}\n", progress_.epoch + 1, progress_.step); }
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
              {"waiting_bytes", waiting_bytes(step_request(options_, device_), holds())},
              {"limit_bytes", limit_.bytes},
              {"limit_source", limit_.source}}}};
  if (!program_.empty()) { line["program"] = program_; }
  log_->write(line);
}

}  // namespace vox
