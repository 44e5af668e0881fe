#pragma once

#include <span>

#include "kernels/base/bf16.h"
#include "kernels/base/queue.h"

namespace vox {

// Element-wise kernels over all stored values. Each maps 0 to 0, so the padding channels stay zero.

/// y[e] = a[e] * b[e]
template <class T> struct MulArgs {
  std::span<const T> a;
  std::span<const T> b;  ///< as many as a
  std::span<T> y;        ///< overwritten; may be a or b
};

/// y[e] = factor * x[e]
template <class T> struct ScaleArgs {
  std::span<const T> x;
  double factor;   ///< rounded to the accumulator type
  std::span<T> y;  ///< overwritten; may be x
};

/// y[e] = max(x[e], 0); NaN stays NaN
template <class T> struct ReluArgs {
  std::span<const T> x;
  std::span<T> y;  ///< overwritten; may be x
};

/// dx[e] = dy[e] where y[e] > 0, 0 elsewhere
template <class T> struct ReluGradArgs {
  std::span<const T> y;
  std::span<const T> dy;
  std::span<T> dx;  ///< overwritten; may be dy
};

/// y[e] = x[e] where x[e] > 0, negative_slope * x[e] elsewhere
template <class T> struct LeakyReluArgs {
  std::span<const T> x;
  double negative_slope;  ///< >= 0, so that the sign of y tells the sign of x
  std::span<T> y;         ///< overwritten; may be x
};

/// dx[e] = dy[e] where y[e] > 0, negative_slope * dy[e] elsewhere
template <class T> struct LeakyReluGradArgs {
  std::span<const T> y;
  double negative_slope;
  std::span<const T> dy;
  std::span<T> dx;  ///< overwritten; may be dy
};

VOX_KERNEL(mul_forward, MulArgs);
VOX_KERNEL(scale_forward, ScaleArgs);
VOX_KERNEL(relu_forward, ReluArgs);
VOX_KERNEL(relu_backward, ReluGradArgs);
VOX_KERNEL(leaky_relu_forward, LeakyReluArgs);
VOX_KERNEL(leaky_relu_backward, LeakyReluGradArgs);

}  // namespace vox
