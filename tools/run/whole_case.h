#pragma once

#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "engine/arena.h"
#include "model/unet3d.h"
#include "tools/run/sliding_window.h"

namespace vox {

/// An image [C,D,H,W] of a prepared case as the network's input [1,C,D,H,W].
[[nodiscard]] Tensor network_input(std::span<const float> image, const std::array<std::int64_t, 5>& shape, DType);

/// The logits of a network on a device, in f32 on the CPU, blocked.
[[nodiscard]] Tensor scores_on_cpu(const Tensor& logits);

/// Told after each window.
using OnWindow = std::function<void(std::int64_t done, std::int64_t all)>;

/// A network's logits [classes,D,H,W] of a case [in_channels,D,H,W], f32 in C order: by windows, or at once where none
/// are given. Tensors of a forward pass lie in the device's arena, as the plan of an inference of one batch says.
[[nodiscard]] LargeVector<float> case_logits(const UNet3d&, std::span<const float> image, const Extent3&,
                                             const std::optional<WindowOptions>&, const ArenaPlan& = {},
                                             const OnWindow& = {});

/// Bytes that segmenting a case of this extent takes on the host beside the tensors of a forward pass: its image,
/// logits and probabilities, and what windows take.
[[nodiscard]] std::size_t case_bytes(const Extent3&, std::int64_t channels, std::int64_t classes,
                                     const std::optional<WindowOptions>&);

/// Bytes that validating such a case by windows takes on the host beside the tensors of a forward pass (validate()):
/// the same but for probabilities, and labels and logits as tensors for the loss.
[[nodiscard]] std::size_t validation_bytes(const Extent3&, std::int64_t channels, std::int64_t classes,
                                           const WindowOptions&);

/// Of logits z [K,D,H,W] in C order: of classes softmax, p[k] = exp(z[k]) / sum_j exp(z[j]), of regions
/// p[k] = 1 / (1 + exp(-z[k])). On the CPU, some slices at a time: memory beside the result does not depend on D.
[[nodiscard]] LargeVector<float> case_probabilities(std::span<const float> logits, const Extent3&, Targets);

}  // namespace vox
