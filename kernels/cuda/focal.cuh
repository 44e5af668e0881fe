#pragma once

#include <cmath>

#include "kernels/cuda/gpu.h"

namespace vox::gpu {

/// The focal term of one voxel and its derivative, in the accumulator type (kernels/focal_loss.h).
template <class A> struct Focal {
  A gamma;
  A lowest;
  A highest;
  A log_lowest;
  A log_highest;

  [[nodiscard]] __device__ __forceinline__ A value(A p) const { return value(p, std::log(p)); }
  [[nodiscard]] __device__ __forceinline__ A slope(A p) const { return slope(p, std::log(p)); }
  /// The same of a p whose logarithm is known.
  [[nodiscard]] __device__ __forceinline__ A value(A p, A log_p) const {
    const bool below = p < lowest;
    const bool above = highest < p;
    const A clipped = below ? lowest : above ? highest : p;
    return -power(1 - clipped, gamma) * (below ? log_lowest : above ? log_highest : log_p);
  }
  [[nodiscard]] __device__ __forceinline__ A slope(A p, A log_p) const {
    if (p < lowest || p > highest) { return 0; }
    return gamma * power(1 - p, gamma - 1) * log_p - power(1 - p, gamma) / p;
  }

 private:
  /// The usual gamma of 2 costs a multiplication.
  [[nodiscard]] static __device__ __forceinline__ A power(A base, A exponent) {
    if (exponent == A{2}) { return base * base; }
    if (exponent == A{1}) { return base; }
    return std::pow(base, exponent);
  }
};

template <class A> [[nodiscard]] Focal<A> focal_of(double gamma, double clip) {
  const auto lowest = static_cast<A>(clip);
  const auto highest = static_cast<A>(1 - clip);
  return {.gamma = static_cast<A>(gamma),
          .lowest = lowest,
          .highest = highest,
          .log_lowest = std::log(lowest),
          .log_highest = std::log(highest)};
}

}  // namespace vox::gpu
