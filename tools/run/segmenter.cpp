#include "tools/run/segmenter.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <sstream>

#include "engine/allocator.h"
#include "engine/read_file.h"
#include "kernels/base/check.h"
#include "model/checkpoint.h"
#include "tools/run/largest_extents.h"

namespace vox {
namespace {

namespace fs = std::filesystem;

fs::path checkpoint_in(const fs::path& run_or_file) {
  VOX_CHECK_DATA(is_there(run_or_file), "{}: does not exist; wants a run folder or a checkpoint", run_or_file.string());
  if (!is_folder(run_or_file)) { return run_or_file; }
  for (const char* const file : {"best.safetensors", "last.safetensors"}) {
    if (is_there(run_or_file / file)) { return run_or_file / file; }
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
  if (!is_cube(recipe)) { recipe.spacing_mm = spacing_named(get("recipe_spacing_mm")); }
  recipe.modalities = modalities_listed(get("recipe_modalities"));
  VOX_CHECK_DATA(std::ssize(recipe.modalities) == checkpoint.config().in_channels,
                 "{}: names {} modalities for a network with {} channels", file, recipe.modalities.size(),
                 checkpoint.config().in_channels);
  return recipe;
}

/// The patch that a network of native cases was trained on.
WindowOptions windows_of(const CheckpointFile& checkpoint, const std::string& file) {
  const auto found = checkpoint.metadata().find("recipe_patch");
  VOX_CHECK_DATA(
      found != checkpoint.metadata().end(),
      "{}: wants native cases and does not say by which windows: 'recipe_patch' is missing from its metadata", file);
  WindowOptions windows;
  std::istringstream text(found->second);
  char comma = ',';
  for (std::int64_t& voxels : windows.window) {
    VOX_CHECK_DATA(comma == ',' && text >> voxels && voxels >= 1, "{}: recipe_patch is '{}', wants D,H,W in voxels",
                   file, found->second);
    if (!(text >> comma)) { comma = ','; }
  }
  return windows;
}

/// values [C,D,H,W] mirrored along the axes whose bit is set: 1 for W, 2 for H, 4 for D. Its own inverse.
LargeVector<float> mirrored(std::span<const float> values, const Extent3& size, unsigned axes) {
  LargeVector<float> out(values.size());
  const auto along = [&](std::size_t axis, unsigned bit, std::int64_t i) {
    return (axes & bit) != 0 ? size[axis] - 1 - i : i;
  };
  const std::int64_t planes = std::ssize(values) / (size[1] * size[2]);
  for (std::int64_t p = 0; p < planes; ++p) {
    for (std::int64_t h = 0; h < size[1]; ++h) {
      const std::int64_t from_plane = p / size[0] * size[0] + along(0, 4, p % size[0]);
      const auto row = values.subspan(static_cast<std::size_t>((from_plane * size[1] + along(1, 2, h)) * size[2]),
                                      static_cast<std::size_t>(size[2]));
      auto* const to = out.data() + (p * size[1] + h) * size[2];
      if ((axes & 1U) != 0) {
        std::ranges::reverse_copy(row, to);
      } else {
        std::ranges::copy(row, to);
      }
    }
  }
  return out;
}

}  // namespace

Segmenter::Segmenter(const fs::path& run_or_file, Device device, Fusion fusion)
    : file_(checkpoint_in(run_or_file)), fusion_(fusion) {
  const CheckpointFile checkpoint(file_);
  recipe_ = recipe_of(checkpoint, file_.string());
  if (!is_cube(recipe_)) { windows_ = windows_of(checkpoint, file_.string()); }
  net_ = std::make_unique<UNet3d>(checkpoint.config(), DType::f32, kNoWeights, device);
  net_->set_fusion(fusion);
  checkpoint.load(*net_);
}

void Segmenter::set_windows(const WindowOptions& windows, OnWindow on_window) {
  check_windows(windows);
  const std::int64_t divisor = size_divisor(config());
  VOX_CHECK(std::ranges::all_of(windows.window, [&](std::int64_t n) { return n % divisor == 0; }),
            "{}: wants windows whose extents are multiples of {}, for {} levels, not {}", file_.string(), divisor,
            config().widths.size(), extents_text(windows.window));
  windows_ = windows;
  planned_ = false;
  on_window_ = std::move(on_window);
}

StepRequest Segmenter::request() const {
  return {.config = config(),
          .dtype = DType::f32,
          .device = net_->device(),
          .extents = windows_ ? windows_->window : cube(recipe_.size),
          .batch = windows_ ? windows_->batch : 1,
          .fusion = fusion_};
}

std::string Segmenter::smaller_windows(std::size_t limit, const Wants& wants) const {
  if (!windows_) { return {}; }
  WindowOptions one = *windows_;
  one.batch = 1;
  const auto fits = [&](const Extents& window) {
    one.window = window;
    StepRequest r = request();
    r.extents = window;
    r.batch = 1;
    return wants(plan_inference(r), one) <= limit;
  };
  const auto found = largest_extents(windows_->window, size_divisor(config()), fits);
  if (!found) { return "; no windows are small enough"; }
  return fmt::format("; the largest windows that fit: --window {} --window-batch 1", fmt::join(*found, ","));
}

std::size_t Segmenter::reserve(const MemoryLimit& limit, const Extent3& largest) {
  if (!planned_) {  // the same for cases of any extent
    plan_ = plan_inference(request());
    planned_ = true;
  }
  const auto wants = [&](const StepPlan& plan, const std::optional<WindowOptions>& windows) {
    const std::size_t beside = case_bytes(largest, config().in_channels, config().classes, windows);
    return plan.system_bytes() + (net_->device() == Device::cuda ? 0 : beside);
  };
  const std::size_t wanted = wants(plan_, windows_);
  if (wanted > limit.bytes) {
    const std::string what = windows_ ? fmt::format("{} by windows of {}, {} at a time", extents_text(largest),
                                                    extents_text(windows_->window), windows_->batch)
                                      : extents_text(largest);
    fail<MemoryError>(__FILE__, __LINE__,
                      fmt::format("{}: segmenting a case of {} takes {} (peak of tensors {}, {}); there is {} ({}){}",
                                  file_.string(), what, bytes_text(wanted), bytes_text(plan_.peak_bytes), plan_.peak_at,
                                  bytes_text(limit.bytes), limit.source, smaller_windows(limit.bytes, wants)));
  }
  reserve_arena(net_->device(), plan_.arena.bytes);
  return plan_.outside_bytes;
}

LargeVector<float> Segmenter::logits(std::span<const float> image, const Extent3& size) const {
  LargeVector<float> logits = case_logits(*net_, image, size, windows_, plan_.arena, on_window_);
  if (!std::ranges::all_of(logits, [](float v) { return std::isfinite(v); })) {
    fail<NonFiniteError>(__FILE__, __LINE__,
                         fmt::format("{}: the network's output is not finite: are its weights?", file_.string()));
  }
  return logits;
}

Segmenter::Output Segmenter::run(std::span<const float> image, const Extent3& size) const {
  Output out{.logits = logits(image, size), .probabilities = {}};
  out.probabilities = case_probabilities(out.logits, size, config().targets);
  return out;
}

Segmenter::Output Segmenter::run_mirrored(std::span<const float> image, const Extent3& size) const {
  constexpr unsigned kImages = 8;
  Output mean = run(image, size);
  for (unsigned axes = 1; axes < kImages; ++axes) {
    const LargeVector<float> out =
        case_probabilities(logits(mirrored(image, size, axes), size), size, config().targets);
    const LargeVector<float> back = mirrored(out, size, axes);
    std::ranges::transform(mean.probabilities, back, mean.probabilities.begin(), std::plus<>());
  }
  for (float& p : mean.probabilities) { p /= kImages; }
  return mean;
}

}  // namespace vox
