#pragma once

#include <cstdint>
#include <span>

#include "kernels/base/bf16.h"
#include "kernels/base/chunks.h"
#include "kernels/base/queue.h"
#include "kernels/base/volume.h"

namespace vox {

/// Soft counts of one class over a group of cases: sum of p, sum of p where the label is the class, and how often it
/// is.
inline constexpr std::int64_t kDiceSums = 3;

[[nodiscard]] constexpr std::int64_t dice_partials(const VolumeShape& s) {
  return chunks_of_blocks(s).count() * kDiceSums * kBlock8;
}

/// loss = 1 - mean over groups and counted classes of weights[c] * (2 TP + smooth) / (sum p + sum y + smooth).
template <class T> struct DiceLossArgs {
  VolumeShape shape;
  std::span<const T> p;                  ///< blocked
  std::span<const std::uint8_t> labels;  ///< [N,voxels], each < shape.c
  std::span<const double> weights;       ///< [C], 0 for a class that does not count
  std::int64_t counted;                  ///< classes the mean is over
  std::int64_t groups;                   ///< 1: sums over the batch; N: over each case
  double smooth;                         ///< > 0
  std::span<double> partials;            ///< scratch, dice_partials(shape)
  std::span<double> sums;                ///< [groups,C,kDiceSums], overwritten: what the gradient needs
  std::span<Acc<T>> loss;                ///< [1], overwritten
};

/// dp of the loss: one of two values per group and class, whether the label is the class or not.
template <class T> struct DiceLossGradArgs {
  VolumeShape shape;
  std::span<const std::uint8_t> labels;
  std::span<const double> weights;
  std::int64_t counted;
  std::int64_t groups;
  double smooth;
  std::span<const double> sums;  ///< of the forward pass
  std::span<const Acc<T>> dy;    ///< [1]
  std::span<T> dp;               ///< blocked, overwritten
};

VOX_KERNEL(dice_loss_forward, DiceLossArgs);
VOX_KERNEL(dice_loss_backward, DiceLossGradArgs);

}  // namespace vox
