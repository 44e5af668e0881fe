#pragma once

#include <cmath>
#include <span>

#include "kernels/base/bf16.h"
#include "kernels/base/queue.h"

namespace vox {

/// What a step of Adam takes from lr and t, worked out in double by adam_rates().
template <class A> struct AdamRates {
  A keep;    ///< 1 - lr * weight_decay: of the parameter
  A step;    ///< of m / (...)
  A unbias;  ///< of sqrt(v)
};

/// Where epsilon stands: torch divides by sqrt(v/(1-b2^t)) + eps; keras by sqrt(v) + eps with both bias corrections in
/// the step size, so its eps is larger by 1/sqrt(1-b2^t).
enum class AdamEpsilon : unsigned char { torch, keras };

/// A parameter with what a step reads and moves; all of one size. The list of them is host memory, the values are the
/// device's.
template <class T> struct AdamTensor {
  std::span<T> parameter;
  std::span<const T> grad;
  std::span<T> m;
  std::span<T> v;
};

/// One Adam step on all tensors (D. Kingma, J. Ba, "Adam", ICLR 2015; decoupled decay: I. Loshchilov, F. Hutter, ICLR
/// 2019):
///   norm = sqrt(sum of squares);  g = grad * gradient_factor(norm, clip_norm)
///   p = p * (1 - lr * weight_decay);  m = b1 m + (1-b1) g;  v = b2 v + (1-b2) g^2
///   torch: p -= lr / (1-b1^t) * m / (sqrt(v) / sqrt(1-b2^t) + eps)
///   keras: p -= lr * sqrt(1-b2^t) / (1-b1^t) * m / (sqrt(v) + eps)
/// Where norm is not finite, nothing changes.
template <class T> struct AdamArgs {
  std::span<const AdamTensor<T>> tensors;
  std::span<const double> squares;  ///< [tensors], what gradient_squares() gave
  double clip_norm;                 ///< 0: gradients are taken as they are
  double lr;
  double beta1;
  double beta2;
  double eps;
  double weight_decay;
  double beta1_correction;  ///< 1 - b1^t, t counted from 1
  double beta2_correction;  ///< 1 - b2^t
  AdamEpsilon epsilon;
  /// On a GPU: where adam_rates() of lr and the corrections lie when the kernel runs (kernels/step_values.h), which are
  /// then not read; or null.
  const AdamRates<Acc<T>>* rates_there = nullptr;
};

/// Rounded to A, each from its value in double.
template <class A, class T> [[nodiscard]] AdamRates<A> adam_rates(const AdamArgs<T>& a) {
  const bool torch = a.epsilon == AdamEpsilon::torch;
  const double root = std::sqrt(a.beta2_correction);
  return {.keep = static_cast<A>(1 - a.lr * a.weight_decay),
          .step = static_cast<A>(a.lr / a.beta1_correction * (torch ? 1.0 : root)),
          .unbias = static_cast<A>(torch ? 1 / root : 1.0)};
}

VOX_KERNEL(adam_step, AdamArgs);

}  // namespace vox
