#pragma once

#include <cstdint>
#include <span>

#include "kernels/base/bf16.h"
#include "kernels/base/queue.h"
#include "kernels/base/volume.h"

namespace vox {

inline constexpr std::int64_t kSumChunk = 8192;  // values of one partial sum

/// Doubles of scratch that a sum of so many values needs.
[[nodiscard]] constexpr std::int64_t sum_partials(std::int64_t count) { return (count + kSumChunk - 1) / kSumChunk; }

/// y[0] = factor * sum of x, in a fixed order: chunks in the accumulator type, the chunks' sums in double.
template <class T> struct SumArgs {
  std::span<const T> x;
  double factor;
  std::span<double> partials;  ///< scratch, sum_partials(x.size())
  std::span<Acc<T>> y;         ///< [1], overwritten
};

/// dx[e] = factor * dy[0], 0 in padding channels.
template <class T> struct SumGradArgs {
  VolumeShape shape;  ///< of a blocked dx; n = 0 for a plain one
  double factor;
  std::span<const Acc<T>> dy;  ///< [1]
  std::span<T> dx;             ///< overwritten
};

VOX_KERNEL(sum_forward, SumArgs);
VOX_KERNEL(sum_backward, SumGradArgs);

}  // namespace vox
