#pragma once

#include <cstdint>
#include <span>

#include "kernels/base/bf16.h"
#include "kernels/base/chunks.h"
#include "kernels/base/queue.h"
#include "kernels/base/volume.h"

namespace vox {

[[nodiscard]] constexpr std::int64_t focal_partials(const VolumeShape& s) { return chunks_of_cases(s).count(); }

/// loss = sum over voxels of factors[label] * -(1-p)^gamma * log(p), p the label's probability, clipped to
/// [clip, 1-clip].
template <class T> struct FocalLossArgs {
  VolumeShape shape;
  std::span<const T> p;                  ///< blocked
  std::span<const std::uint8_t> labels;  ///< [N,voxels], each < shape.c
  std::span<const double> factors;       ///< [C]: class weight * alpha / number of terms, 0: does not count
  double gamma;                          ///< >= 0
  double clip;                           ///< in (0,0.5)
  std::span<double> partials;            ///< scratch, focal_partials(shape)
  std::span<Acc<T>> loss;                ///< [1], overwritten
};

/// dp = dy * factors[label] * ((1-p)^(gamma-1) * gamma * log(p) - (1-p)^gamma / p) at the label's channel where p was
/// not clipped, 0 elsewhere.
template <class T> struct FocalLossGradArgs {
  VolumeShape shape;
  std::span<const T> p;
  std::span<const std::uint8_t> labels;
  std::span<const double> factors;
  double gamma;
  double clip;
  std::span<const Acc<T>> dy;  ///< [1]
  std::span<T> dp;             ///< blocked, overwritten
};

VOX_KERNEL(focal_loss_forward, FocalLossArgs);
VOX_KERNEL(focal_loss_backward, FocalLossGradArgs);

}  // namespace vox
