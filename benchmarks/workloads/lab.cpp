#include "benchmarks/workloads/lab.h"

#include <algorithm>
#include <string_view>

#include "engine/allocator.h"
#include "engine/context.h"
#include "engine/tape.h"
#include "kernels/base/check.h"
#include "kernels/base/philox.h"
#include "kernels/cuda/runtime.h"

namespace vox::bench {
namespace {

constexpr std::uint64_t kSeed = 1;
constexpr double kLearningRate = 1e-3;

UNetConfig config_of(const LabOptions& o) {
  UNetConfig config = unet_preset("seed");
  VOX_CHECK(o.widths.size() == config.widths.size(), "widths: {} numbers, wants {}", o.widths.size(),
            config.widths.size());
  std::ranges::copy(o.widths, config.widths.begin());
  return config;
}

/// Training takes what has been freed from elsewhere, and this process may have freed much.
LabOptions checked(const LabOptions& o) {
  constexpr std::int64_t kDivisor = 1 << (kLevels - 1);
  VOX_CHECK(o.size >= kDivisor && o.size % kDivisor == 0, "size {}: wants a multiple of {}", o.size, kDivisor);
  VOX_CHECK(o.batch >= 1, "batch {}: wants 1 or more", o.batch);
  return o;
}

}  // namespace

void wait_for(Device device) {
  if (device == Device::cuda) { cuda::wait(cuda_queue().stream); }
}

Lab::Lab(const LabOptions& o)
    : device_(select_device(o.device)),
      options_(checked(o)),
      net_(config_of(o), dtype_named(o.dtype), kSeed, device_),
      adam_(net_.parameters(), {}) {
  net_.set_fusion(fusion_named(o.fusion));
  const auto voxels = static_cast<std::size_t>(o.batch * o.size * o.size * o.size);
  const auto channels = static_cast<std::size_t>(net_.config().in_channels);
  const auto classes = static_cast<std::uint32_t>(net_.config().classes);
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

template <class Work> Phase Lab::phase(const char* name, const Work& work) const {
  return {name, measured([&] {
            work();
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
                            .size = options_.size,
                            .batch = options_.batch,
                            .fusion = fusion_named(options_.fusion)});
    images_ = Tensor();  // of the other kind of work
    labels_ = Tensor();
    reserve_arena(device_, plan->arena.bytes);
  }
  return plan->arena;
}

std::vector<Phase> Lab::train() {
  const ArenaScope arena(device_, arena_of(training_, plan_training));
  std::vector<Phase> phases;
  phases.push_back(phase("data", [&] {
    load_images();
    load_labels();
  }));
  if (on_start_) { on_start_(); }
  Tensor logits;
  Tensor loss;
  phases.push_back(phase("forward", [&] {
    logits = net_.forward(images_, {.mode = UNetMode::training, .seed = kSeed, .step = step_++});
  }));
  phases.push_back(phase("loss", [&] {
    loss = segmentation_loss(logits, labels_, {});
    logits = Tensor();
  }));
  phases.push_back(phase("backward", [&] { backward(loss); }));
  phases.push_back(phase("update", [&] { static_cast<void>(adam_.step(kLearningRate)); }));
  last_loss_ = loss.item();
  return phases;
}

std::vector<Phase> Lab::infer() {
  const NoGradScope no_grad;
  const ArenaScope arena(device_, arena_of(inference_, plan_inference));
  std::vector<Phase> phases;
  phases.push_back(phase("data", [&] { load_images(); }));
  if (on_start_) { on_start_(); }
  phases.push_back(phase("forward", [&] { static_cast<void>(softmax(net_.forward(images_, {}))); }));
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
