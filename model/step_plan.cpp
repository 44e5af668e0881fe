#include "model/step_plan.h"

#include <algorithm>
#include <optional>
#include <vector>

#include "engine/allocator.h"
#include "engine/dry_run.h"
#include "engine/ranks/planned_ranks.h"
#include "engine/ranks/rank_cases.h"
#include "engine/tape.h"
#include "engine/uploader.h"
#include "kernels/base/check.h"
#include "model/train_step.h"
#include "model/weight_average.h"

namespace vox {
namespace {

constexpr std::size_t kTries = 200;  // to find a smaller arena: about 0.1 s

Use use_of(const DryBlock& b, Stage stage) {
  const bool in_one_step = b.born_step == b.died_step;
  switch (stage) {
    case Stage::parameters:
      return Use::parameters;
    case Stage::moments:
      return Use::moments;
    case Stage::inputs:
      return in_one_step ? Use::scratch : Use::inputs;
    case Stage::update:
      return Use::scratch;
    case Stage::forward:
      if (b.outlives_forward) { return Use::kept; }
      return in_one_step ? Use::scratch : Use::passed;
    case Stage::backward:
      if (b.outlives_backward) { return Use::parameter_gradients; }
      return in_one_step ? Use::scratch : Use::gradients;
  }
  VOX_FAIL("plan: unknown stage");
}

std::string text_of(const DryStep& s) {
  switch (s.stage) {
    case Stage::parameters:
      return "making the network";
    case Stage::moments:
      return "making the optimiser";
    case Stage::inputs:
      return "reading the next batch";
    case Stage::update:
      return "the optimiser's step";
    case Stage::forward:
    case Stage::backward:
      break;
  }
  return fmt::format("{} of {}, {}, {}", s.stage == Stage::forward ? "forward" : "backward", s.op, s.layer,
                     s.output.str());
}

/// The sum of all blocks of a device over time.
StepPlan summed_up(const DryRun& run, Device device, std::size_t from, std::size_t tries) {
  const std::vector<DryStep>& steps = run.steps();
  const auto step = [&](std::size_t i) { return i < steps.size() ? steps[i] : DryStep{}; };
  struct Event {
    std::size_t time;
    const DryBlock* block;
  };
  std::vector<Event> events;
  for (const DryBlock& b : run.blocks()) {
    if (b.device != device) { continue; }
    events.push_back({b.born, &b});
    if (b.died != kNotReleased) { events.push_back({b.died, &b}); }
  }
  std::ranges::sort(events, {}, &Event::time);
  StepPlan plan;
  UseBytes now{};
  std::size_t live = 0;
  std::size_t outside = 0;
  for (const auto& [time, b] : events) {
    const auto use = static_cast<std::size_t>(use_of(*b, step(b->born_step).stage));
    const bool placed = b->born >= from && b->died != kNotReleased;
    if (time != b->born) {
      now[use] -= b->bytes;
      live -= b->bytes;
      outside -= placed ? 0 : pool_bytes(b->bytes, device);
      continue;
    }
    now[use] += b->bytes;
    live += b->bytes;
    outside += placed ? 0 : pool_bytes(b->bytes, device);
    plan.most[use] = std::max(plan.most[use], now[use]);
    plan.outside_bytes = std::max(plan.outside_bytes, outside);
    if (live > plan.peak_bytes) {
      plan.peak_bytes = live;
      plan.at_peak = now;
      plan.peak_at = text_of(step(b->born_step));
    }
  }
  plan.arena = plan_arena(run.blocks(), device, from, tries);
  return plan;
}

Shape batch_shape(const StepRequest& r, std::int64_t cases) {
  return {cases, r.config.in_channels, r.extents[0], r.extents[1], r.extents[2]};
}

Tensor some_images(const StepRequest& r, std::int64_t cases) {
  const Tensor x = Tensor::volume(batch_shape(r, cases), DType::f32);
  return (r.dtype == DType::f32 ? x : cast(x, r.dtype)).to(r.device);
}

/// What stands for a batch as a loader gives it: values that nobody reads.
PlainBatch some_batch(const Shape& shape) {
  static constexpr float kImage = 0;
  static constexpr std::uint8_t kLabel = 0;
  return {.shape = shape,
          .images = {&kImage, static_cast<std::size_t>(shape.count())},
          .labels = {&kLabel, static_cast<std::size_t>(shape.count() / shape[1])}};
}

UNet3d network(DryRun& run, const StepRequest& r) {
  check_config(r.config);
  const std::int64_t divisor = size_divisor(r.config);
  const bool whole_levels =
      std::ranges::all_of(r.extents, [&](std::int64_t n) { return n >= divisor && n % divisor == 0; });
  VOX_CHECK(r.batch >= 1 && whole_levels && r.micro_batch >= 0 && r.micro_batch <= r.batch,
            "plan: batch {} in parts of {} at {}: wants at least 1 case and a multiple of {} voxels", r.batch,
            r.micro_batch, extents_text(r.extents), divisor);
  run.enter(Stage::parameters);
  UNet3d net(r.config, r.dtype, kNoWeights, r.device);
  net.set_fusion(r.fusion);
  for (const NamedTensor& p : net.parameters()) { run.name_layer(p.tensor, p.name); }
  return net;
}

StepPlan planned_training(const StepRequest& r, std::size_t tries) {
  DryRun run;
  const UNet3d net = network(run, r);
  run.enter(Stage::moments);
  Optimizer optimizer(net.parameters(), r.optimizer);
  std::optional<WeightAverage> average;
  if (r.ema > 0) { average.emplace(net, r.ema); }
  run.enter(Stage::inputs);
  const RankCases here = rank_cases(r.batch, r.micro_batch, r.rank, r.ranks);
  const Shape shape = batch_shape(r, here.count());
  const std::int64_t at_a_time = here.at_a_time();
  Uploader uploader(r.device, shape);
  const auto ranks = planned_ranks(r.rank, r.ranks, r.device == Device::cuda ? Device::cuda : Device::cpu);
  RankSums sums(*ranks, *ranks, r.reduce);
  uploader.start(some_batch(shape), at_a_time);
  const std::size_t from = run.time();
  {
    const std::vector<MicroBatch> parts = shared_out(uploader.take(r.dtype), here.shares, r.ranks);
    run.enter(Stage::forward);
    const PendingLoss loss = submit_batch(net, parts, r.loss, 0, 0, nullptr, r.ranks > 1 ? &sums : nullptr);
    run.enter(Stage::update);
    const SubmittedStep step = optimizer.submit_step(0);
    if (average) { average->submit(step); }
    run.enter(Stage::inputs);
    uploader.start(some_batch(shape), at_a_time);
  }
  return summed_up(run, r.device, from, tries);
}

}  // namespace

std::string_view name(Use use) {
  constexpr std::array<std::string_view, kUses> kNames{"parameters and statistics", "moments, averaged weights",
                                                       "inputs and labels",         "activations kept for backward",
                                                       "activations passed on",     "gradients of activations",
                                                       "gradients of parameters",   "scratch of operators"};
  return kNames[static_cast<std::size_t>(use)];
}

StepPlan plan_training(const StepRequest& r) { return planned_training(r, kTries); }

StepPlan plan_inference(const StepRequest& r) {
  DryRun run;
  const NoGradScope no_grad;
  const UNet3d net = network(run, r);
  const std::size_t from = run.time();
  {
    run.enter(Stage::inputs);
    const Tensor images = some_images(r, r.batch);
    run.enter(Stage::forward);
    const Tensor logits = net.forward(images, {});
    static_cast<void>(softmax(logits));
  }
  return summed_up(run, r.device, from, kTries);
}

bool training_fits(const StepRequest& r, std::size_t system_bytes) {
  try {
    const StepPlan quick = planned_training(r, 1);
    if (quick.arena.live_bytes + quick.outside_bytes > system_bytes) { return false; }  // no arena is smaller
    return quick.system_bytes() <= system_bytes || plan_training(r).system_bytes() <= system_bytes;
  } catch (const Error&) {  // one value per channel, say, or more bytes than there are addresses
    return false;
  }
}

std::int64_t largest_micro_batch(const StepRequest& r, std::size_t system_bytes) {
  StepRequest tried = r;
  const auto fits = [&](std::int64_t micro_batch) {
    tried.micro_batch = micro_batch;
    return training_fits(tried, system_bytes);
  };
  std::int64_t good = 0;
  std::int64_t bad = r.batch + 1;
  while (bad - good > 1) {
    const std::int64_t middle = good + (bad - good) / 2;
    (fits(middle) ? good : bad) = middle;
  }
  return good;
}

}  // namespace vox
