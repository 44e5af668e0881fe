#include "model/step_plan.h"

#include <algorithm>
#include <numeric>
#include <optional>
#include <vector>

#include "engine/allocator.h"
#include "engine/context.h"
#include "engine/dry_run.h"
#include "engine/memory_limits.h"
#include "engine/readback.h"
#include "engine/tape.h"
#include "engine/uploader.h"
#include "kernels/base/check.h"
#include "model/train_step.h"
#include "model/weight_average.h"
#include "tests/support/catch.h"

namespace vox::test {
namespace {

struct SomeBatch {
  Shape shape;
  std::vector<float> images;
  std::vector<std::uint8_t> labels;

  explicit SomeBatch(const StepRequest& r)
      : shape{r.batch, r.config.in_channels, r.extents[0], r.extents[1], r.extents[2]},
        images(static_cast<std::size_t>(shape.count())),
        labels(images.size() / static_cast<std::size_t>(r.config.in_channels)) {
    for (std::size_t i = 0; i < images.size(); i += 3) { images[i] = static_cast<float>(i % 7); }
  }
  [[nodiscard]] PlainBatch plain() const { return {.shape = shape, .images = images, .labels = labels}; }
};

struct Ran {
  std::size_t peak_bytes = 0;
  std::size_t strays = 0;
  std::vector<double> losses;
  std::vector<double> last_weights;
};

/// Two steps as Training makes them, with or without an arena.
Ran two_steps(const StepRequest& r, const StepPlan* plan) {
  Ran ran;
  const std::size_t before = memory_report(r.device).in_use_bytes;
  reset_peak(r.device);
  {
    UNet3d net(r.config, r.dtype, 1, r.device);
    net.set_fusion(r.fusion);
    Optimizer optimizer(net.parameters(), r.optimizer);
    std::optional<WeightAverage> average;
    if (r.ema > 0) { average.emplace(net, r.ema); }
    const SomeBatch batch(r);
    const std::int64_t at_a_time = r.micro_batch == 0 ? r.batch : r.micro_batch;
    Uploader uploader(r.device, batch.shape);
    uploader.start(batch.plain(), at_a_time);
    for (std::uint32_t step = 0; step < 2; ++step) {
      const ArenaPlan none;
      const ArenaScope arena(r.device, plan != nullptr ? plan->arena : none);
      const std::vector<MicroBatch> parts = uploader.take(r.dtype);
      PendingLoss loss = submit_batch(net, parts, r.loss, 1, step);
      std::vector<Tensor> results = loss.released();
      const SubmittedStep update = optimizer.submit_step(1e-3);
      if (average) { average->submit(update); }
      results.push_back(update.squares);
      Readback readback(r.device);
      readback.start(std::move(results));
      uploader.start(batch.plain(), at_a_time);
      const std::vector<double> values = readback.wait();
      ran.losses.push_back(loss.mean(std::span(values).first(loss.parts())));
      ran.strays += arena.strays();
    }
    ran.last_weights = net.parameters().front().tensor.to_doubles();
  }
  ran.peak_bytes = memory_report(r.device).peak_bytes - before;
  CHECK(memory_report(r.device).in_use_bytes == before);
  return ran;
}

/// With heads at two levels of three, and a loss of both.
StepRequest small_nnunet(const Extents& extents, std::int64_t batch, DType dtype, Device device = Device::cpu) {
  StepRequest r{.config = with_widths(unet_preset("nnunet"), {3, 8, 9}),
                .dtype = dtype,
                .device = device,
                .extents = extents,
                .batch = batch,
                .loss = {.terms = {LossTerm::dice, LossTerm::binary_cross_entropy}, .targets = Targets::regions}};
  r.config.supervision = 2;
  return r;
}

StepRequest small(std::int64_t size, std::int64_t batch, DType dtype) {
  StepRequest r{.config = unet_preset("seed"), .dtype = dtype, .extents = cube(size), .batch = batch};
  r.config.widths = {3, 8, 8, 16, 9};
  return r;
}

}  // namespace

TEST_CASE("the planned peak of a training step is the measured one, to the byte", "[plan]") {
  std::vector<StepRequest> requests;
  for (const DType dtype : {DType::f32, DType::bf16, DType::f64}) {
    for (const std::int64_t size : {16, 32}) { requests.push_back(small(size, 2, dtype)); }
  }
  for (const DType dtype : {DType::f32, DType::bf16}) {
    requests.push_back(small(32, 2, dtype));
    requests.back().fusion = Fusion::off;
  }
  requests.push_back(small(32, 3, DType::f32));
  requests.back().micro_batch = 2;
  requests.push_back(small(16, 4, DType::bf16));
  requests.back().micro_batch = 2;
  requests.push_back({.config = unet_preset("tutorial"), .extents = cube(16), .batch = 1});
  requests.push_back({.config = unet_preset("seed"), .extents = {32, 16, 48}, .batch = 1});
  for (const DType dtype : {DType::f32, DType::bf16}) { requests.push_back(small_nnunet({12, 8, 4}, 2, dtype)); }
  requests.push_back(small_nnunet(cube(8), 3, DType::f32));
  requests.back().micro_batch = 2;
  requests.back().fusion = Fusion::off;
  requests.push_back(small(16, 2, DType::f32));
  requests.back().optimizer.kind = OptimizerKind::sgd;
  requests.back().ema = 0.99;
  for (const StepRequest& r : requests) {
    INFO(name(r.dtype) << ' ' << extents_text(r.extents) << ", batch " << r.batch << " by " << r.micro_batch);
    const StepPlan plan = plan_training(r);
    CHECK(two_steps(r, nullptr).peak_bytes == plan.peak_bytes);
    CHECK(std::accumulate(plan.at_peak.begin(), plan.at_peak.end(), std::size_t{0}) == plan.peak_bytes);
    CHECK(plan.peak_at.starts_with("backward of "));
    CHECK(plan.arena.bytes >= plan.arena.live_bytes);
    CHECK(plan.arena.bytes <= plan.arena.live_bytes + plan.arena.live_bytes / 10);
  }
}

TEST_CASE("SGD's plan has one moment, Adam's two, and an average of the weights is counted", "[plan]") {
  StepRequest r = small(16, 2, DType::f32);
  const auto most = [&](Use use) { return plan_training(r).most[static_cast<std::size_t>(use)]; };
  const std::size_t adam = most(Use::moments);
  r.optimizer.kind = OptimizerKind::sgd;
  const std::size_t sgd = most(Use::moments);
  CHECK(sgd > 0);
  CHECK(adam == 2 * sgd);
  r.ema = 0.9;
  CHECK(most(Use::moments) == sgd + most(Use::parameters));  // of weights and statistics
}

TEST_CASE("the planned peak on the simt device is the measured one", "[plan][simt]") {
  for (const DType dtype : {DType::f32, DType::bf16}) {
    StepRequest r = small(16, 2, dtype);
    r.config.widths = {1, 1, 1, 1, 1};
    r.device = Device::simt;
    if (dtype == DType::bf16) { r.optimizer.kind = OptimizerKind::sgd; }
    INFO(name(dtype));
    CHECK(two_steps(r, nullptr).peak_bytes == plan_training(r).peak_bytes);
    const StepRequest supervised = small_nnunet({4, 4, 8}, 1, dtype, Device::simt);
    CHECK(two_steps(supervised, nullptr).peak_bytes == plan_training(supervised).peak_bytes);
  }
}

TEST_CASE("an inference's planned peak is the measured one", "[plan]") {
  const StepRequest r = small(32, 1, DType::f32);
  const StepPlan plan = plan_inference(r);
  const std::size_t before = memory_report(Device::cpu).in_use_bytes;
  reset_peak(Device::cpu);
  {
    const NoGradScope no_grad;
    const UNet3d net(r.config, r.dtype, 1);
    const SomeBatch batch(r);
    const Tensor images = Tensor::volume_of<float>(batch.shape, batch.images);
    const Tensor logits = net.forward(images, {});
    static_cast<void>(softmax(logits));
  }
  CHECK(memory_report(Device::cpu).peak_bytes - before == plan.peak_bytes);
  CHECK(plan.most[static_cast<std::size_t>(Use::kept)] == 0);
  CHECK(plan.most[static_cast<std::size_t>(Use::moments)] == 0);
}

TEST_CASE("a step in its planned arena gives the same bits, every block where it was planned", "[plan]") {
  for (const DType dtype : {DType::f32, DType::bf16}) {
    StepRequest r = small(32, 3, dtype);
    r.micro_batch = 2;
    const StepPlan plan = plan_training(r);
    const Ran pool = two_steps(r, nullptr);
    release_unused(Device::cpu);
    reserve_arena(Device::cpu, plan.arena.bytes);
    const Ran arena = two_steps(r, &plan);
    CHECK(arena.losses == pool.losses);
    CHECK(arena.last_weights == pool.last_weights);
    CHECK(arena.peak_bytes == plan.peak_bytes);
    CHECK(arena.strays == 0);
    // A plan for something else is followed where it fits, and harms nothing where it does not.
    const Ran astray = two_steps(small(32, 2, dtype), &plan);
    CHECK(astray.losses == two_steps(small(32, 2, dtype), nullptr).losses);
    const StepPlan tiny = plan_training(small(16, 2, dtype));
    CHECK(two_steps(r, &tiny).losses == pool.losses);
    release_unused(Device::cpu);
  }
}

TEST_CASE("no two blocks of a plan share a byte while both live", "[plan]") {
  DryRun run;
  std::vector<Tensor> live;
  for (std::int64_t i = 0; i < 200; ++i) {  // of sizes and lifetimes that make gaps
    live.emplace_back(Shape{1 + i * 7919 % 1000}, DType::f32);
    if (i % 3 != 0) { live.erase(live.begin() + (i * 31) % std::ssize(live)); }
  }
  const std::size_t left = live.size();
  const std::vector<DryBlock>& blocks = run.blocks();
  const ArenaPlan plan = plan_arena(blocks, Device::cpu, 0);
  REQUIRE(plan.requests.size() == blocks.size());
  std::size_t outside = 0;
  for (std::size_t a = 0; a < blocks.size(); ++a) {
    const auto& place = plan.requests[a];
    CHECK(place.bytes == blocks[a].bytes);
    if (place.offset == ArenaPlan::kOutside) {
      ++outside;
      CHECK(blocks[a].died == kNotReleased);
      continue;
    }
    CHECK(place.offset % 64 == 0);
    CHECK(place.offset + place.bytes <= plan.bytes);
    for (std::size_t b = 0; b < a; ++b) {
      const auto& other = plan.requests[b];
      if (other.offset == ArenaPlan::kOutside) { continue; }
      const bool in_time = blocks[a].born < blocks[b].died && blocks[b].born < blocks[a].died;
      const bool in_place = place.offset < other.offset + other.bytes && other.offset < place.offset + place.bytes;
      CHECK_FALSE((in_time && in_place));
    }
  }
  CHECK(outside == left);
}

TEST_CASE("a dry run computes nothing, changes nothing, and takes no memory", "[plan]") {
  const StepRequest r{.config = unet_preset("seed"), .dtype = DType::f32, .extents = cube(256), .batch = 8};
  const MemoryReport before = memory_report(Device::cpu);
  const StepPlan plan = plan_training(r);
  CHECK(plan.peak_bytes > 64UL << 30U);  // more than there is, on most machines
  CHECK(memory_report(Device::cpu).in_use_bytes == before.in_use_bytes);
  CHECK(memory_report(Device::cpu).reserved_bytes == before.reserved_bytes);

  Tensor made_before = Tensor::zeros({8}, DType::f32);
  Tensor outlives;
  {
    const DryRun run;
    CHECK_THROWS_WITH(DryRun(), ContainsSubstring("one is under way"));
    outlives = add(made_before, made_before);
    CHECK(outlives.to_doubles() == std::vector<double>(8, 0.0));
  }
  CHECK(add(made_before, made_before).to_doubles() == std::vector<double>(8, 0.0));
  CHECK(DryRun::current() == nullptr);
}

TEST_CASE("a GPU's memory is planned where there is none", "[plan]") {
  StepRequest r = small(32, 2, DType::bf16);
  const StepPlan cpu = plan_training(r);
  r.device = Device::cuda;
  const StepPlan cuda = plan_training(r);
  CHECK(cuda.peak_bytes > cpu.peak_bytes / 2);
  CHECK(cuda.peak_bytes < cpu.peak_bytes * 2);
}

TEST_CASE("the largest micro-batch fits and the next one does not", "[plan]") {
  StepRequest r = small(32, 9, DType::f32);
  r.micro_batch = 4;
  const std::size_t four = plan_training(r).system_bytes();
  CHECK(largest_micro_batch(r, four) == 4);
  CHECK(largest_micro_batch(r, four - 1) == 3);
  CHECK(largest_micro_batch(r, std::size_t{1} << 40U) == 9);
  CHECK(largest_micro_batch(r, 1000) == 0);
  CHECK_FALSE(training_fits(small(16, 1, DType::f32), std::size_t{1} << 40U));              // one value per channel
  CHECK_FALSE(training_fits(small_nnunet(cube(4), 2, DType::f32), std::size_t{1} << 40U));  // one voxel of each case
  CHECK_THROWS_WITH(plan_training(small_nnunet({8, 8, 6}, 1, DType::f32)), ContainsSubstring("a multiple of 4"));
}

TEST_CASE("sizes of memory are read and written with their units", "[plan]") {
  CHECK(bytes_named("8GiB") == 8UL << 30U);
  CHECK(bytes_named("1.5G") == 3UL << 29U);
  CHECK(bytes_named("500 MB") == 500'000'000);
  CHECK(bytes_named("4096") == 4096);
  for (const char* const text : {"", "GiB", "8 Gib", "-1GiB", "0", "1e40", "nan", "8GiB of it"}) {
    INFO(text);
    CHECK_THROWS_AS(bytes_named(text), Error);
  }
  CHECK(bytes_text(500) == "500 bytes");
  CHECK(bytes_text(3UL << 29U) == "1.50 GiB");
  const MemoryLimit limit = available_memory(Device::cpu);
  CHECK(limit.bytes > 1UL << 20U);
  CHECK_FALSE(limit.source.empty());
}

}  // namespace vox::test
