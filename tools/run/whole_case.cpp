#include "tools/run/whole_case.h"

#include <algorithm>
#include <cmath>

#include "engine/allocator.h"
#include "engine/context.h"
#include "engine/dispatch.h"
#include "engine/tape.h"
#include "kernels/base/check.h"
#include "kernels/base/parallel.h"
#include "kernels/base/volume.h"
#include "kernels/layout.h"
#include "model/extents.h"

namespace vox {
namespace {

/// [N,C,D,H,W] in C order into room for that many.
void copy_plain(const Tensor& t, std::span<float> plain) {
  to_plain(cpu_queue(), ToPlainArgs<float>{.shape = t.shape().volume(), .blocked = t.values<float>(), .plain = plain});
}

}  // namespace

Tensor network_input(std::span<const float> image, const std::array<std::int64_t, 5>& shape, DType dtype) {
  const Tensor x = Tensor::volume_of<float>(Shape{std::span<const std::int64_t>(shape)}, image);
  return dtype == DType::f32 ? x : cast(x, dtype);
}

Tensor scores_on_cpu(const Tensor& logits) {
  return (logits.dtype() == DType::f32 ? logits : cast(logits, DType::f32)).to(Device::cpu);
}

LargeVector<float> case_logits(const UNet3d& net, std::span<const float> image, const Extent3& size,
                               const std::optional<WindowOptions>& windows, const ArenaPlan& plan,
                               const OnWindow& on_window) {
  const NoGradScope no_grad;
  const auto forward = [&](std::span<const float> images, std::int64_t batch, const Extent3& extent) {
    const ArenaScope arena(net.device(), plan);
    const std::array<std::int64_t, 5> shape{batch, net.config().in_channels, extent[0], extent[1], extent[2]};
    const Tensor logits = net.forward(network_input(images, shape, net.dtype()).to(net.device()), {});
    LargeVector<float> plain(static_cast<std::size_t>(logits.shape().count()), uncleared);
    copy_plain(scores_on_cpu(logits), plain);
    return plain;
  };
  if (!windows) { return forward(image, 1, size); }
  return slide(
      image, size, net.config().classes, *windows,
      [&](std::span<const float> images, std::int64_t batch) { return forward(images, batch, windows->window); },
      cpu_queue().threads, on_window);
}

std::size_t case_bytes(const Extent3& size, std::int64_t channels, std::int64_t classes,
                       const std::optional<WindowOptions>& windows) {
  const auto of = [&](std::int64_t values) {
    return static_cast<std::size_t>(values * voxels_of(size)) * sizeof(float);
  };
  return of(channels + classes) + (windows ? sliding_bytes(size, channels, classes, *windows) : of(classes));
}

std::size_t validation_bytes(const Extent3& size, std::int64_t channels, std::int64_t classes,
                             const WindowOptions& windows) {
  const std::size_t logits = static_cast<std::size_t>(channel_blocks(classes) * kBlock8) * sizeof(float);
  return case_bytes(size, channels, classes, windows) + static_cast<std::size_t>(voxels_of(size)) * (logits + 1);
}

LargeVector<float> case_probabilities(std::span<const float> logits, const Extent3& size, Targets targets) {
  const NoGradScope no_grad;
  constexpr std::int64_t kSlices = 16;
  const std::int64_t slice = size[1] * size[2];
  const std::int64_t voxels = size[0] * slice;
  VOX_CHECK(voxels >= 1 && std::ssize(logits) % voxels == 0, "softmax: {} logits of a case of {}x{}x{}", logits.size(),
            size[0], size[1], size[2]);
  const std::int64_t classes = std::ssize(logits) / voxels;
  LargeVector<float> probabilities(logits.size(), uncleared);
  if (targets == Targets::regions) {
    parallel_for(cpu_queue().threads, classes * size[0], [&](std::int64_t task) {
      for (std::int64_t i = task * slice; i < (task + 1) * slice; ++i) {
        const auto at = static_cast<std::size_t>(i);
        probabilities[at] = 1 / (1 + std::exp(-logits[at]));
      }
    });
    return probabilities;
  }
  LargeVector<float> some;
  for (std::int64_t d = 0; d < size[0]; d += kSlices) {
    const std::int64_t slices = std::min(kSlices, size[0] - d);
    some.resize(static_cast<std::size_t>(classes * slices * slice));
    for (std::int64_t k = 0; k < classes; ++k) {
      std::copy_n(logits.data() + k * voxels + d * slice, slices * slice, some.data() + k * slices * slice);
    }
    copy_plain(softmax(Tensor::volume_of<float>({1, classes, slices, size[1], size[2]}, some)), some);
    for (std::int64_t k = 0; k < classes; ++k) {
      std::copy_n(some.data() + k * slices * slice, slices * slice, probabilities.data() + k * voxels + d * slice);
    }
  }
  return probabilities;
}

}  // namespace vox
