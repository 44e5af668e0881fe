#pragma once

#include <cstdint>
#include <span>

#include "kernels/base/bf16.h"
#include "kernels/base/chunks.h"
#include "kernels/base/queue.h"
#include "kernels/base/volume.h"

namespace vox {

/// Of a group of cases: sum of weight * -log softmax, and sum of weight.
inline constexpr std::int64_t kCrossEntropySums = 2;

[[nodiscard]] constexpr std::int64_t cross_entropy_partials(const VolumeShape& s) {
  return chunks_of_cases(s).count() * kCrossEntropySums;
}

/// loss = mean over groups of (sum of weights[label] * -log softmax(x)[label]) / (sum of weights[label]), 0 for a group
/// whose weights are all 0.
template <class T> struct CrossEntropyArgs {
  VolumeShape shape;
  std::span<const T> x;                  ///< logits, blocked
  std::span<const std::uint8_t> labels;  ///< [N,voxels], each < shape.c
  std::span<const double> weights;       ///< [C], 0 for a class that does not count
  std::int64_t groups;                   ///< 1: sums over the batch; N: over each case
  std::span<double> partials;            ///< scratch, cross_entropy_partials(shape)
  std::span<double> sums;                ///< [groups,kCrossEntropySums], overwritten: what the gradient needs
  std::span<Acc<T>> loss;                ///< [1], overwritten
};

/// dx = dy / groups * weights[label] / (sum of weights[label]) * (softmax(x) - onehot(label))
template <class T> struct CrossEntropyGradArgs {
  VolumeShape shape;
  std::span<const T> x;
  std::span<const std::uint8_t> labels;
  std::span<const double> weights;
  std::int64_t groups;
  std::span<const double> sums;  ///< of the forward pass
  std::span<const Acc<T>> dy;    ///< [1]
  std::span<T> dx;               ///< blocked, overwritten
};

VOX_KERNEL(cross_entropy_forward, CrossEntropyArgs);
VOX_KERNEL(cross_entropy_backward, CrossEntropyGradArgs);

}  // namespace vox
