#pragma once

#include "kernels/batch_norm.h"

#include <cmath>
#include <type_traits>

#include "kernels/cuda/philox.cuh"
#include "kernels/dropout.h"

/// What the kernels of batch norm share with a convolution that takes the sums of its gradient in passing.
namespace vox::gpu {

/// In the type of the sums: in double it costs more than the rest of a short run. NaN where the variance is infinite: 0
/// would make every value beta, and what has overflowed would never be seen.
template <class A> __device__ __forceinline__ A inverse_deviation(A variance, double eps) {
  return A{1} / std::sqrt(variance + static_cast<A>(eps)) + variance * A{0};
}

/// gamma and beta are [C], the others [groups,C]; gradients are of the backward pass.
template <class A> struct BatchNormVectors {
  const A* mean;
  const A* variance;
  const A* gamma;
  const A* beta;
  const A* dgamma;
  const A* dbeta;
  unsigned cases;  ///< of a group
  int channels;

  /// The same of case n alone: of its group.
  __device__ __forceinline__ BatchNormVectors of_case(unsigned n) const {
    BatchNormVectors v = *this;
    const std::int64_t first = static_cast<std::int64_t>(n / cases) * channels;
    v.mean += first;
    v.variance += first;
    if (dgamma != nullptr) {
      v.dgamma += first;
      v.dbeta += first;
    }
    return v;
  }
};
template <class Args> [[nodiscard]] auto vectors_of(const Args& a, const VolumeShape& s) {
  return BatchNormVectors<std::remove_const_t<std::remove_pointer_t<decltype(a.mean.data())>>>{
      .mean = a.mean.data(),
      .variance = a.variance.data(),
      .gamma = a.gamma.data(),
      .beta = a.beta.data(),
      .dgamma = nullptr,
      .dbeta = nullptr,
      .cases = static_cast<unsigned>(s.n / a.groups),
      .channels = static_cast<int>(s.c)};
}

/// What comes before the activation is x * slope + shift; zeros where there is no channel.
template <class A>
__device__ __forceinline__ A norm_slope(const BatchNormVectors<A>& of, int c, double eps, A scale, bool present) {
  return present ? of.gamma[c] * inverse_deviation(of.variance[c], eps) * scale : A{0};
}
/// Apart from the slope: a backward pass without an activation has no beta.
template <class A>
__device__ __forceinline__ A norm_shift(const BatchNormVectors<A>& of, int c, A scale, A slope, bool present) {
  return present ? of.beta[c] * scale - of.mean[c] * slope : A{0};
}

/// An Activation, ready for use. What passes is multiplied by 1/(1-p) in the factors of the lanes.
template <class A> struct BatchNormActivation {
  PhiloxKeys keys;
  std::uint32_t largest_dropped;
  A scale;
  A negative_slope;  ///< of relu 0

  /// Of a value: the whole where normalised is more than 0, or NaN, else what leaks.
  [[nodiscard]] __device__ __forceinline__ A one_sided(A normalised, A value) const {
    return normalised <= 0 ? value * negative_slope : value;
  }
};

template <class A> [[nodiscard]] BatchNormActivation<A> ready(const Activation& a) {
  const bool dropped = drops(a.kind);
  return {.keys = philox_keys(a.key, a.step_there),
          .largest_dropped = dropped ? largest_dropped_number(a.p) : 0,
          .scale = static_cast<A>(1 / (1 - (dropped ? a.p : 0))),
          .negative_slope = static_cast<A>(leaks(a.kind) ? a.negative_slope : 0)};
}

/// BatchNormGradSums, ready for use.
template <class T> struct BatchNormGradTaken {
  const T* x;
  BatchNormVectors<Acc<T>> of;
  double eps;
  BatchNormActivation<Acc<T>> activation;
  bool drops;    ///< relu_dropout
  bool leaks;    ///< leaky_relu
  double* sums;  ///< or null: none are wanted
};
/// s: the shape of x.
template <class T> [[nodiscard]] BatchNormGradTaken<T> taken(const BatchNormGradSums<T>& a, const VolumeShape& s) {
  return {.x = a.x.data(),
          .of = vectors_of(a, s),
          .eps = a.eps,
          .activation = ready<Acc<T>>(a.activation),
          .drops = drops(a.activation.kind),
          .leaks = leaks(a.activation.kind),
          .sums = a.sums.data()};
}

}  // namespace vox::gpu
