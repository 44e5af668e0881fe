#pragma once

#include <cmath>

#include "kernels/cuda/gpu.h"

namespace vox::gpu {

/// The focal term of one voxel and its derivative, in the accumulator type (kernels/focal_loss.h).
template <class A> struct Focal {
  A gamma;
  A lowest;
  A highest;

  [[nodiscard]] __device__ __forceinline__ A value(A p) const {
    const A raised = p < lowest ? lowest : p;
    const A clipped = highest < raised ? highest : raised;
    return -power(1 - clipped, gamma) * std::log(clipped);
  }
  [[nodiscard]] __device__ __forceinline__ A slope(A p) const {
    if (p < lowest || p > highest) { return 0; }
    return gamma * power(1 - p, gamma - 1) * std::log(p) - power(1 - p, gamma) / p;
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
  return {.gamma = static_cast<A>(gamma), .lowest = static_cast<A>(clip), .highest = static_cast<A>(1 - clip)};
}

}  // namespace vox::gpu
