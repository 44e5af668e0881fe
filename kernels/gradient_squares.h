#pragma once

#include <cstdint>
#include <span>

#include "kernels/base/bf16.h"
#include "kernels/base/queue.h"

namespace vox {

/// sums[k] = sum over e of grads[k][e]^2, in a fixed order and in double: what an optimiser clips by, and what tells it
/// that a gradient is not finite. The list of gradients is host memory, their values are the device's.
template <class T> struct GradientSquaresArgs {
  std::span<const std::span<const T>> grads;
  std::span<double> partials;  ///< scratch, gradient_squares_scratch()
  std::span<double> sums;      ///< [grads], overwritten
};

VOX_KERNEL(gradient_squares, GradientSquaresArgs);

/// What gradients of that common 2-norm are multiplied by: g = grad * gradient_factor(norm, clip_norm) has a norm of at
/// most clip_norm; 0: gradients are taken as they are.
[[nodiscard]] VOX_HD inline double gradient_factor(double norm, double clip_norm) {
  return clip_norm > 0 && norm > clip_norm ? clip_norm / norm : 1.0;
}

inline constexpr std::int64_t kTensorChunk = 4096;  ///< elements of a tensor that one block of a GPU takes

/// Doubles of scratch that the sums need on this queue.
template <class T> [[nodiscard]] std::int64_t gradient_squares_scratch(const CpuQueue&, std::span<const std::span<T>>) {
  return 0;
}
template <class T>
[[nodiscard]] std::int64_t gradient_squares_scratch(const DeviceQueue&, std::span<const std::span<T>> grads) {
  std::int64_t chunks = 0;
  for (const std::span<T>& g : grads) { chunks += (std::ssize(g) + kTensorChunk - 1) / kTensorChunk; }
  return chunks;
}

}  // namespace vox
