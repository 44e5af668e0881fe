#pragma once

#include <cstdint>
#include <span>

#include "kernels/base/bf16.h"
#include "kernels/base/chunks.h"
#include "kernels/base/queue.h"
#include "kernels/base/volume.h"

namespace vox {

/// Numbers of a statistic that has one per case and channel: [N, ceil(C/8), 8], 0 in padding channels.
[[nodiscard]] constexpr std::int64_t instance_norm_lanes(const VolumeShape& s) { return s.n * s.blocks() * kBlock8; }

/// Doubles of scratch: two per lane of each chunk, then two per lane of each block of a case.
[[nodiscard]] constexpr std::int64_t instance_norm_partials(const VolumeShape& s) {
  return chunks_of_blocks(s).count() * 2 * kBlock8 + 2 * instance_norm_lanes(s);
}

/// mean[n,c] of x over D, H, W and inverse[n,c] = 1 / sqrt(variance[n,c] + eps), with the biased variance.
/// Chunks are summed about their own mean and merged in double, as in batch norm: a large mean costs no precision.
template <class T> struct InstanceNormStatisticsArgs {
  VolumeShape shape;
  std::span<const T> x;  ///< blocked
  double eps;
  std::span<double> partials;  ///< scratch, instance_norm_partials(shape)
  std::span<Acc<T>> mean;      ///< instance_norm_lanes(shape), overwritten
  std::span<Acc<T>> inverse;   ///< the same
};

/// y = gamma[c] * (x - mean[n,c]) * inverse[n,c] + beta[c]; padding channels become 0.
template <class T> struct InstanceNormArgs {
  VolumeShape shape;
  std::span<const T> x;  ///< blocked
  std::span<const Acc<T>> mean;
  std::span<const Acc<T>> inverse;
  std::span<const Acc<T>> gamma;  ///< [C]; empty: 1
  std::span<const Acc<T>> beta;   ///< [C]; empty: 0
  std::span<T> y;                 ///< blocked, overwritten; may be x
};

/// With z = (x - mean) * inverse and M = D*H*W, sums over D, H, W: dbeta = sum over n of sum dy, dgamma = sum over n of
/// sum dy * z, dx = gamma * inverse * (dy - sum dy / M - z * sum(dy * z) / M). dy and x are read twice, dx is written
/// once.
template <class T> struct InstanceNormGradArgs {
  VolumeShape shape;
  std::span<const T> x;  ///< blocked
  std::span<const Acc<T>> mean;
  std::span<const Acc<T>> inverse;
  std::span<const Acc<T>> gamma;  ///< [C]; empty: 1
  std::span<const T> dy;          ///< blocked
  std::span<double> partials;     ///< scratch, instance_norm_partials(shape)
  std::span<T> dx;                ///< blocked, overwritten; empty when not wanted; may be dy
  std::span<Acc<T>> dgamma;       ///< [C], overwritten; empty when not wanted
  std::span<Acc<T>> dbeta;        ///< [C], overwritten; empty when not wanted
};

VOX_KERNEL(instance_norm_statistics, InstanceNormStatisticsArgs);
VOX_KERNEL(instance_norm_forward, InstanceNormArgs);
VOX_KERNEL(instance_norm_backward, InstanceNormGradArgs);

}  // namespace vox
