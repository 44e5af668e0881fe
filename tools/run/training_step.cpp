// The steps of a run: a batch on its way to the device, a step submitted, its results read.
#include "tools/run/training.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <utility>

#include "engine/allocator.h"
#include "engine/json.h"
#include "engine/memory_limits.h"
#include "engine/ranks/deal.h"
#include "engine/ranks/rank_cases.h"
#include "engine/ranks/world.h"
#include "kernels/base/check.h"
#include "model/not_finite.h"
#include "tools/run/first_rank.h"
#include "tools/run/run_files.h"
#include "tools/run/run_ranks.h"
#include "tools/ui/output.h"
#include "tools/ui/progress_bar.h"

namespace vox {
namespace {

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

/// Where it began of what ranks have found, each of which looks at the same tensors in the same order.
NotFinite first_of_ranks(Communicator& ranks, NotFinite mine) {
  const auto exchange = [](auto& message, auto& found) { fields(message, found.text, found.looked); };
  MessageWriter own;
  exchange(own, mine);
  std::optional<NotFinite> first;
  for (const std::string& bytes : gather(ranks, own.bytes())) {
    MessageReader message(bytes);
    NotFinite found;
    exchange(message, found);
    if (!found.text.empty() && (!first || found.looked < first->looked)) { first = found; }
  }
  return first.value_or(mine);
}

}  // namespace

std::optional<Batch> Training::stage_next() {
  const auto start = std::chrono::steady_clock::now();
  auto batch = loader_->next();
  progress_.load_seconds += seconds_since(start);
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
  uploader_->start(std::move(plain), batch->shares.front().here());
  return batch;
}

Training::Step Training::submit(Batch batch, std::int64_t number) {
  const ArenaPlan& plan = memory_->step(std::ssize(batch.ids)).arena;
  PlannedBlocks* const blocks = steps_->prepare(plan, std::ssize(batch.shares));
  const ArenaScope arena(device_, plan, blocks);
  const std::vector<MicroBatch> parts = shared_out(uploader_->take(net_->dtype()), batch.shares, ranks_.size());
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
    files_->write({{"type", "note"}, {"step", progress_.step}, {"note", note}});
  }
}

void Training::report(Step step, ProgressBar& bar) {
  const std::vector<double> results = step.results->wait();
  const auto parts = step.submitted.losses.parts();
  const double loss = step.submitted.losses.mean(std::span(results).first(parts));
  double norm = 0;
  try {
    check_finite(loss);
    norm = step.submitted.update.norm(std::span(results).subspan(parts));
  } catch (const NonFiniteError& e) {
    const std::string where = where_not_finite(step.batch);
    files_->write({{"type", "not finite"},
                   {"step", progress_.step + 1},
                   {"epoch", progress_.epoch + 1},
                   {"cases", step.batch.ids},
                   {"lr", step.lr},
                   {"fault", e.what()},
                   {"where", where}});
    fail<NonFiniteError>(__FILE__, __LINE__,
                         fmt::format("step {} (epoch {}, lr {:g}, cases {}): {}. The step was done again: {}. The last "
                                     "checkpoint is untouched",
                                     progress_.step + 1, progress_.epoch + 1, step.lr, fmt::join(step.batch.ids, ", "),
                                     e.what(), where));
  }
  const bool digest = digest_is_due();
  if (!progress_.lr_first) { progress_.lr_first = step.lr; }
  progress_.lr_last = step.lr;
  ++progress_.step;
  ++progress_.batches;
  progress_.loss_sum += loss * static_cast<double>(step.batch.ids.size());
  progress_.samples += std::ssize(step.batch.ids);
  const double seconds = seconds_since(last_report_);
  last_report_ = std::chrono::steady_clock::now();
  progress_.seconds += seconds;
  Json line{{"type", "step"},     {"step", progress_.step}, {"epoch", progress_.epoch + 1},
            {"loss", loss},       {"gradient_norm", norm},  {"lr", step.lr},
            {"seconds", seconds}, {"cases", step.batch.ids}};
  if (digest) {
    line["digest"] = step_digest(loss, *net_);
    check_digest(ranks_, line["digest"].get<std::string>(), progress_.step);
  }
  files_->write(line);
  const double mean = progress_.loss_sum / static_cast<double>(progress_.samples);
  bar.update(progress_.batches, fmt::format("loss {:.4f} (mean {:.4f}) {:.2f} samples/s", loss, mean,
                                            static_cast<double>(progress_.samples) / progress_.seconds));
}

bool Training::digest_is_due() const {
  return digests_.is_due(progress_.step + 1, progress_.batches + 1 == loader_->batches_per_epoch());
}

void Training::check_finite(double loss) const {
  if (!std::isfinite(loss)) { fail<NonFiniteError>(__FILE__, __LINE__, fmt::format("the loss is {}", loss)); }
}

std::string Training::where_not_finite(const Batch& faulty) {
  loader_->start_epoch(static_cast<std::uint32_t>(progress_.epoch), progress_.batches);
  if (!stage_next()) { return "the cases could not be read again"; }
  // Plain operators tell more tensors apart, and take more memory.
  StepRequest plain = step_request(options_, device_, &ranks_);
  plain.batch = std::ssize(faulty.ids);
  plain.micro_batch = std::min(plain.micro_batch, plain.batch);
  plain.fusion = Fusion::off;
  const StepPlan plan = plan_training(plain);
  const std::size_t there = available_memory(device_).bytes + memory_->largest_step().system_bytes();
  const std::vector<std::string> takes =
      gather(ranks_, plan.system_bytes() * static_cast<std::size_t>(local_ranks()) <= there ? "y" : "n");
  const bool takes_plain = std::ranges::all_of(takes, [](const std::string& s) { return s == "y"; });
  std::vector<std::string> ids;
  for (const std::int64_t place : faulty.places) { ids.push_back(faulty.ids[static_cast<std::size_t>(place)]); }
  const auto look = [&](const ArenaPlan& memory) {
    reserve_arena(device_, memory.bytes);
    const ArenaScope arena(device_, memory);
    return first_not_finite(*net_, shared_out(uploader_->take(net_->dtype()), faulty.shares, ranks_.size()), ids, loss_,
                            options_.seed, static_cast<std::uint32_t>(progress_.step), faulty.places, sums_.get());
  };
  if (takes_plain) { net_->set_fusion(Fusion::off); }
  const NotFinite found =
      first_of_ranks(ranks_, look(takes_plain ? plan.arena : memory_->step(std::ssize(faulty.ids)).arena));
  return found.text.empty() ? "this time all was finite" : found.text;
}

}  // namespace vox
