#pragma once

#include <span>

#include "kernels/base/bf16.h"
#include "kernels/base/queue.h"

namespace vox {

/// The convolution that gives what batch norm makes of another one's result when its statistics are constant:
/// folded[o,·] = weight[o,·] * gamma[o] / s, bias[o] = beta[o] - mean[o] * gamma[o] / s, s = sqrt(variance[o] + eps).
template <class T> struct BatchNormFoldArgs {
  std::span<const Acc<T>> weight;  ///< [O, anything]
  std::span<const Acc<T>> mean;    ///< [O], as are the three below
  std::span<const Acc<T>> variance;
  std::span<const Acc<T>> gamma;
  std::span<const Acc<T>> beta;
  double eps;
  std::span<Acc<T>> folded;  ///< as weight, overwritten
  std::span<Acc<T>> bias;    ///< [O], overwritten
};

VOX_KERNEL(batch_norm_fold, BatchNormFoldArgs);

}  // namespace vox
