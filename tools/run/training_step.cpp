// The steps of a run: a batch on its way to the device, a step submitted, its results read.
#include "tools/run/training.h"

#include <fmt/format.h>

#include <chrono>
#include <cmath>
#include <utility>

#include "engine/allocator.h"
#include "engine/json.h"
#include "kernels/base/check.h"
#include "tools/run/run_log.h"
#include "tools/ui/output.h"
#include "tools/ui/progress_bar.h"

namespace vox {
namespace {

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

}  // namespace

std::optional<Batch> Training::stage_next() {
  auto batch = loader_->next();
  if (!batch) { return std::nullopt; }
  PlainBatch plain{.shape = Shape(batch->shape),
                   .images = std::exchange(batch->images, {}),
                   .labels = std::exchange(batch->labels, {}),
                   .memory = std::exchange(batch->memory, {})};
  if (augments_there_) {
    for (const SampleKey& key : batch->keys) {
      plain.drawn.push_back(draw_augmentation(*augments_there_, key, static_cast<std::size_t>(batch->shape[1])));
    }
  }
  uploader_->start(std::move(plain), options_.micro_batch);
  return batch;
}

Training::Step Training::submit(Batch batch, std::int64_t number) {
  const std::int64_t cases = batch.shape[0];
  const ArenaPlan& plan = memory_->step(cases).arena;
  PlannedBlocks* const blocks = steps_->prepare(plan, (cases + options_.micro_batch - 1) / options_.micro_batch);
  const ArenaScope arena(device_, plan, blocks);
  const std::vector<MicroBatch> parts = uploader_->take(net_->dtype());
  const double lr = schedule_->lr(number);
  Step step{.batch = std::move(batch),
            .lr = lr,
            .submitted = steps_->submit(arena, parts, static_cast<std::uint32_t>(number), lr),
            .results = &readbacks_[static_cast<std::size_t>(number % 2)]};
  step.results->start(std::exchange(step.submitted.results, {}));
  return step;
}

void Training::say_notes() {
  for (const std::string& note : steps_->notes()) {
    print_safely("note: {}\n", note);
    log_->write({{"type", "note"}, {"step", progress_.step}, {"note", note}});
  }
}

void Training::report(Step step, ProgressBar& bar) {
  const std::vector<double> results = step.results->wait();
  const auto parts = step.submitted.losses.parts();
  const double loss = step.submitted.losses.mean(std::span(results).first(parts));
  check_finite(loss, step.batch);
  const double norm = step.submitted.adam.norm(std::span(results).subspan(parts));
  if (!progress_.lr_first) { progress_.lr_first = step.lr; }
  progress_.lr_last = step.lr;
  ++progress_.step;
  ++progress_.batches;
  progress_.loss_sum += loss * static_cast<double>(step.batch.shape[0]);
  progress_.samples += step.batch.shape[0];
  const double seconds = seconds_since(last_report_);
  last_report_ = std::chrono::steady_clock::now();
  progress_.seconds += seconds;
  log_->write({{"type", "step"},
               {"step", progress_.step},
               {"epoch", progress_.epoch + 1},
               {"loss", loss},
               {"gradient_norm", norm},
               {"lr", step.lr},
               {"seconds", seconds},
               {"cases", step.batch.ids}});
  const double mean = progress_.loss_sum / static_cast<double>(progress_.samples);
  bar.update(progress_.batches, fmt::format("loss {:.4f} (mean {:.4f}) {:.2f} samples/s", loss, mean,
                                            static_cast<double>(progress_.samples) / progress_.seconds));
}

void Training::check_finite(double loss, const Batch& batch) const {
  if (std::isfinite(loss)) { return; }
  fail<NonFiniteError>(__FILE__, __LINE__,
                       fmt::format("the loss is {} at step {} (cases {}); the last checkpoint is untouched", loss,
                                   progress_.step + 1, fmt::join(batch.ids, ", ")));
}

}  // namespace vox
