#pragma once

#include <span>

#include "kernels/base/bf16.h"
#include "kernels/base/queue.h"

namespace vox {

/// A tensor and its average; both of one size. The list of them is host memory, the values are the device's.
template <class T> struct MovingAverageTensor {
  std::span<T> average;
  std::span<const T> values;
};

/// The exponential moving average of tensors that an optimiser's step has just moved (B. Polyak, A. Juditsky,
/// "Acceleration of stochastic approximation by averaging", 1992, with weights that fade):
///   average += take * (value - average),  that is  decay * average + (1 - decay) * value,  take = 1 - decay
/// Where the sum of squares is not finite nothing changes, as the optimiser changed nothing.
template <class T> struct MovingAverageArgs {
  std::span<const MovingAverageTensor<T>> tensors;
  std::span<const double> squares;  ///< what gradient_squares() gave; empty: the averages move
  double take;
  /// On a GPU: where take lies when the kernel runs (kernels/step_values.h), which is then not read; or null.
  const double* take_there = nullptr;
};

VOX_KERNEL(moving_average, MovingAverageArgs);

}  // namespace vox
