#pragma once

#include <span>

#include "kernels/bf16.h"
#include "kernels/queue.h"

namespace vox {

/// Where epsilon stands: torch divides by sqrt(v/(1-b2^t)) + eps; keras by sqrt(v) + eps with both bias corrections in
/// the step size, so its eps is larger by 1/sqrt(1-b2^t).
enum class AdamEpsilon : unsigned char { torch, keras };

/// One Adam step on one parameter (D. Kingma, J. Ba, "Adam", ICLR 2015; decoupled decay: I. Loshchilov, F. Hutter, ICLR
/// 2019):
///   g = gradient_scale * grad;  p = p * (1 - lr * weight_decay)
///   m = b1 m + (1-b1) g;  v = b2 v + (1-b2) g^2
///   torch: p -= lr / (1-b1^t) * m / (sqrt(v) / sqrt(1-b2^t) + eps)
///   keras: p -= lr * sqrt(1-b2^t) / (1-b1^t) * m / (sqrt(v) + eps)
template <class T> struct AdamArgs {
  std::span<T> parameter;
  std::span<const T> grad;
  std::span<T> m;
  std::span<T> v;
  double lr;
  double beta1;
  double beta2;
  double eps;
  double weight_decay;
  double gradient_scale;
  double beta1_correction;  ///< 1 - b1^t, t counted from 1
  double beta2_correction;  ///< 1 - b2^t
  AdamEpsilon epsilon;
};

VOX_KERNEL(adam_step, AdamArgs);

/// Sum of squares of x in a fixed order: *sum = sum over e of x[e]^2, carried in double across chunks.
template <class T> struct SquaredNormArgs {
  std::span<const T> x;
  double* sum;
};

VOX_KERNEL(squared_norm, SquaredNormArgs);

}  // namespace vox
