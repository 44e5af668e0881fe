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
  const ArenaScope arena(device_, memory_->step(batch.shape[0]).arena);
  const std::vector<MicroBatch> parts = uploader_->take(net_->dtype());
  Step step{.batch = std::move(batch),
            .lr = schedule_->lr(number),
            .losses = submit_batch(*net_, parts, loss_, options_.seed, static_cast<std::uint32_t>(number)),
            .adam = {},
            .results = &readbacks_[static_cast<std::size_t>(number % 2)]};
  step.adam = adam_->submit_step(step.lr);
  std::vector<Tensor> results = step.losses.released();
  if (step.adam.squares.defined()) { results.push_back(std::exchange(step.adam.squares, {})); }
  step.results->start(std::move(results));
  return step;
}

void Training::report(Step step, ProgressBar& bar) {
  const std::vector<double> results = step.results->wait();
  const auto parts = step.losses.parts();
  const double loss = step.losses.mean(std::span(results).first(parts));
  check_finite(loss, step.batch);
  const double norm = step.adam.norm(std::span(results).subspan(parts));
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
