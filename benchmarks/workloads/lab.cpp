#include "benchmarks/workloads/lab.h"

#include <algorithm>
#include <string_view>

#include "engine/allocator.h"
#include "engine/context.h"
#include "engine/kept.h"
#include "engine/tape.h"
#include "kernels/base/check.h"
#include "kernels/base/philox.h"

namespace vox::bench {
namespace {

constexpr std::uint64_t kSeed = 1;
constexpr double kLearningRate = 1e-3;

/// That of the presets' training.
LossOptions loss_of(const UNetConfig& c) {
  if (c.targets == Targets::classes) { return {}; }
  return {.terms = {LossTerm::dice, LossTerm::binary_cross_entropy}, .targets = Targets::regions};
}

/// Training takes what has been freed from elsewhere, and this process may have freed much.
LabOptions checked(const LabOptions& o) {
  const std::int64_t divisor = size_divisor(config_of(o.preset, o.widths));
  VOX_CHECK(o.size >= divisor && o.size % divisor == 0, "size {}: wants a multiple of {}", o.size, divisor);
  VOX_CHECK(o.batch >= 1, "batch {}: wants 1 or more", o.batch);
  return o;
}

}  // namespace

UNetConfig config_of(const std::string& preset, const std::vector<std::int64_t>& widths) {
  UNetConfig config = unet_preset(preset);
  if (!widths.empty()) { config = with_widths(config, widths); }
  check_config(config);
  return config;
}

Lab::Lab(const LabOptions& o)
    : device_(select_device(o.device)),
      options_(checked(o)),
      clock_(device_),
      net_(config_of(o.preset, o.widths), dtype_named(o.dtype), kSeed, device_),
      adam_(net_.parameters(), {}),
      graphs_(net_, adam_, loss_of(net_.config()), kSeed, graph_named(o.graph)) {
  net_.set_fusion(fusion_named(o.fusion));
  set_keep_all(device_ == Device::cuda && !o.recompute);
  const auto voxels = static_cast<std::size_t>(o.batch * o.size * o.size * o.size);
  const auto channels = static_cast<std::size_t>(net_.config().in_channels);
  const auto classes = static_cast<std::uint32_t>(UNetConfig().classes);
  host_images_.resize(voxels * channels);
  host_labels_.resize(voxels);
  for (std::size_t i = 0; i < host_images_.size(); i += 4) {
    const Philox4 bits = random4({.seed = kSeed}, i / 4);
    for (std::size_t k = 0; k < 4; ++k) { host_images_[i + k] = static_cast<float>(unit(bits.v[k]) - 0.5); }
  }
  for (std::size_t i = 0; i < voxels; i += 4) {
    const Philox4 bits = random4({.seed = kSeed + 1}, i / 4);
    for (std::size_t k = 0; k < 4; ++k) { host_labels_[i + k] = static_cast<std::uint8_t>(bits.v[k] % classes); }
  }
}

template <class Work> Phase Lab::data_phase(const Work& load) const {
  return {"data", measured([&] {
            load();
            wait_for(device_);
          })};
}

void Lab::load_images() {
  const NoGradScope no_grad;
  images_ = Tensor();  // its memory is what the new ones take
  const Shape shape{options_.batch, net_.config().in_channels, options_.size, options_.size, options_.size};
  images_ = cast(Tensor::volume_of<float>(shape, host_images_), net_.dtype()).to(device_);
}

void Lab::load_labels() {
  labels_ = Tensor();
  const Shape shape{options_.batch, options_.size, options_.size, options_.size};
  labels_ = Tensor::of<std::uint8_t>(shape, host_labels_).to(device_);
}

template <class Plan> const ArenaPlan& Lab::arena_of(std::optional<StepPlan>& plan, const Plan& make) {
  if (!plan) {
    plan = make(StepRequest{.config = net_.config(),
                            .dtype = net_.dtype(),
                            .device = device_,
                            .extents = cube(options_.size),
                            .batch = options_.batch,
                            .loss = loss_of(net_.config()),
                            .fusion = fusion_named(options_.fusion)});
    images_ = Tensor();  // of the other kind of work
    labels_ = Tensor();
    reserve_arena(device_, plan->arena.bytes);
  }
  return plan->arena;
}

std::vector<Phase> Lab::train() {
  const ArenaPlan& plan = arena_of(training_, plan_training);
  PlannedBlocks* const blocks = graphs_.prepare(plan, 1);
  const ArenaScope arena(device_, plan, blocks);
  std::vector<Phase> phases;
  phases.push_back(data_phase([&] {
    load_images();
    load_labels();
  }));
  if (on_start_) { on_start_(); }
  if (graphs_.used()) {
    phases.push_back(graph_phase(arena));
    return phases;
  }
  clock_.restart();
  clock_.mark();
  std::vector<Tensor> logits = net_.forward_all(images_, {.mode = UNetMode::training, .seed = kSeed, .step = step_++});
  clock_.mark();
  const Tensor loss = segmentation_loss(logits, labels_, loss_of(net_.config()));
  logits.clear();
  clock_.mark();
  backward(loss);
  clock_.mark();
  static_cast<void>(adam_.step(kLearningRate));
  clock_.mark();
  add_phases(phases, {"forward", "loss", "backward", "update"});
  last_loss_ = loss.item();
  return phases;
}

Phase Lab::graph_phase(const ArenaScope& arena) {
  const std::int64_t before = graphs_.launches();
  const MicroBatch batch{.images = images_, .labels = labels_};
  clock_.restart();
  clock_.mark();
  const SubmittedTraining submitted = graphs_.submit(arena, {&batch, 1}, step_++, kLearningRate);
  clock_.mark();
  const Times taken = clock_.between().front();
  last_loss_ = submitted.losses.mean(submitted.results.front().to_doubles());
  static_cast<void>(submitted.update.norm(submitted.results.back().to_doubles()));
  return {graphs_.launches() > before ? "graph" : "step", taken};
}

std::size_t Lab::peak_tensor_bytes() const {
  const std::size_t asked_for = memory_report(device_).peak_bytes;
  return graphs_.launches() == 0 ? asked_for : std::max(asked_for, training_->peak_bytes);
}

void Lab::add_phases(std::vector<Phase>& phases, const std::vector<const char*>& names) {
  const std::vector<Times> times = clock_.between();
  for (std::size_t i = 0; i < names.size(); ++i) { phases.push_back({names[i], times.at(i)}); }
}

std::vector<Phase> Lab::infer() {
  const NoGradScope no_grad;
  const ArenaScope arena(device_, arena_of(inference_, plan_inference));
  std::vector<Phase> phases;
  phases.push_back(data_phase([&] { load_images(); }));
  if (on_start_) { on_start_(); }
  clock_.restart();
  clock_.mark();
  static_cast<void>(softmax(net_.forward(images_, {})));
  clock_.mark();
  add_phases(phases, {"forward"});
  return phases;
}

Times total_of(const std::vector<Phase>& phases) {
  Times total;
  for (const Phase& p : phases) {
    if (std::string_view(p.name) != "data") { total += p.times; }
  }
  return total;
}

}  // namespace vox::bench
