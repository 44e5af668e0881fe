#include "tools/run/segmenter.h"

#include <algorithm>
#include <cmath>
#include <functional>

#include "engine/allocator.h"
#include "engine/dispatch.h"
#include "engine/tape.h"
#include "kernels/base/check.h"
#include "kernels/layout.h"
#include "model/checkpoint.h"
#include "tools/run/validation.h"

namespace vox {
namespace {

namespace fs = std::filesystem;

fs::path checkpoint_in(const fs::path& run_or_file) {
  VOX_CHECK_DATA(fs::exists(run_or_file), "{}: does not exist; wants a run folder or a checkpoint",
                 run_or_file.string());
  if (!fs::is_directory(run_or_file)) { return run_or_file; }
  for (const char* const file : {"best.safetensors", "last.safetensors"}) {
    if (fs::exists(run_or_file / file)) { return run_or_file / file; }
  }
  VOX_FAIL_DATA("{}: holds neither best.safetensors nor last.safetensors; wants a run folder of voxgrad train",
                run_or_file.string());
}

Recipe recipe_of(const CheckpointFile& checkpoint, const std::string& file) {
  const auto get = [&](const char* key) -> const std::string& {
    const auto found = checkpoint.metadata().find(key);
    VOX_CHECK_DATA(found != checkpoint.metadata().end(),
                   "{}: does not say how its input is prepared: '{}' is missing from its metadata", file, key);
    return found->second;
  };
  std::int64_t size = 0;
  try {
    size = std::stoll(get("recipe_size"));
  } catch (const std::logic_error&) {
    VOX_FAIL_DATA("{}: recipe_size is '{}', wants a number", file, get("recipe_size"));
  }
  Recipe recipe = recipe_named(get("recipe"), size);
  recipe.modalities = modalities_listed(get("recipe_modalities"));
  VOX_CHECK_DATA(std::ssize(recipe.modalities) == checkpoint.config().in_channels,
                 "{}: names {} modalities for a network with {} channels", file, recipe.modalities.size(),
                 checkpoint.config().in_channels);
  return recipe;
}

/// values [C,size,size,size] mirrored along the axes whose bit is set: 1 for W, 2 for H, 4 for D. Its own inverse.
std::vector<float> mirrored(std::span<const float> values, std::int64_t size, unsigned axes) {
  std::vector<float> out(values.size());
  const auto along = [&](unsigned axis, std::int64_t i) { return (axes & axis) != 0 ? size - 1 - i : i; };
  const std::int64_t planes = std::ssize(values) / (size * size);
  for (std::int64_t p = 0; p < planes; ++p) {
    for (std::int64_t h = 0; h < size; ++h) {
      const std::int64_t from_plane = p / size * size + along(4, p % size);
      const auto row = values.subspan(static_cast<std::size_t>((from_plane * size + along(2, h)) * size),
                                      static_cast<std::size_t>(size));
      auto* const to = out.data() + (p * size + h) * size;
      if ((axes & 1U) != 0) {
        std::ranges::reverse_copy(row, to);
      } else {
        std::ranges::copy(row, to);
      }
    }
  }
  return out;
}

std::vector<float> plain_values(const Tensor& t) {
  std::vector<float> plain(static_cast<std::size_t>(t.shape().count()));
  to_plain(cpu_queue(), ToPlainArgs<float>{.shape = t.shape().volume(), .blocked = t.values<float>(), .plain = plain});
  return plain;
}

}  // namespace

Segmenter::Segmenter(const fs::path& run_or_file, Device device, Fusion fusion)
    : file_(checkpoint_in(run_or_file)), fusion_(fusion) {
  const CheckpointFile checkpoint(file_);
  recipe_ = recipe_of(checkpoint, file_.string());
  net_ = std::make_unique<UNet3d>(checkpoint.config(), DType::f32, kNoWeights, device);
  net_->set_fusion(fusion);
  checkpoint.load(*net_);
}

void Segmenter::reserve(const MemoryLimit& limit) {
  const StepRequest request{
      .config = config(), .dtype = DType::f32, .device = net_->device(), .size = recipe_.size, .fusion = fusion_};
  plan_ = plan_inference(request);
  const auto voxels = static_cast<std::size_t>(recipe_.size * recipe_.size * recipe_.size);
  const auto channels = static_cast<std::size_t>(config().in_channels + 2 * config().classes);
  const std::size_t beside = net_->device() == Device::cuda ? 0 : voxels * channels * sizeof(float);
  const std::size_t wants = plan_.system_bytes() + beside;
  if (wants > limit.bytes) {
    fail<MemoryError>(__FILE__, __LINE__,
                      fmt::format("{}: segmenting a case at {}^3 takes {} (peak of tensors {}, {}); there is {} ({})",
                                  file_.string(), recipe_.size, bytes_text(wants), bytes_text(plan_.peak_bytes),
                                  plan_.peak_at, bytes_text(limit.bytes), limit.source));
  }
  reserve_arena(net_->device(), plan_.arena.bytes);
}

Tensor Segmenter::logits(std::span<const float> image) const {
  const std::array<std::int64_t, 5> shape{1, config().in_channels, recipe_.size, recipe_.size, recipe_.size};
  Tensor logits = net_->forward(network_input(image, shape, DType::f32).to(net_->device()), {});
  const Tensor host = logits.to(Device::cpu);
  if (!std::ranges::all_of(host.values<float>(), [](float v) { return std::isfinite(v); })) {
    fail<NonFiniteError>(__FILE__, __LINE__,
                         fmt::format("{}: the network's output is not finite: are its weights?", file_.string()));
  }
  return logits;
}

Segmenter::Output Segmenter::run(std::span<const float> image) const {
  const NoGradScope no_grad;
  const ArenaScope arena(net_->device(), plan_.arena);
  const Tensor out = logits(image);
  return {.logits = plain_values(out.to(Device::cpu)), .probabilities = plain_values(softmax(out).to(Device::cpu))};
}

Segmenter::Output Segmenter::run_mirrored(std::span<const float> image) const {
  constexpr unsigned kImages = 8;
  Output mean = run(image);
  const NoGradScope no_grad;
  for (unsigned axes = 1; axes < kImages; ++axes) {
    const ArenaScope arena(net_->device(), plan_.arena);
    const std::vector<float> out = plain_values(softmax(logits(mirrored(image, recipe_.size, axes))).to(Device::cpu));
    const std::vector<float> back = mirrored(out, recipe_.size, axes);
    std::ranges::transform(mean.probabilities, back, mean.probabilities.begin(), std::plus<>());
  }
  for (float& p : mean.probabilities) { p /= kImages; }
  return mean;
}

}  // namespace vox
