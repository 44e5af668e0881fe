#pragma once

#include "kernels/batch_norm.h"

#include <cmath>

#include "kernels/cuda/philox.cuh"
#include "kernels/dropout.h"

/// What the kernels of batch norm share with a convolution that takes the sums of its gradient in passing.
namespace vox::gpu {

/// In the type of the sums: in double it costs more than the rest of a short run.
template <class A> __device__ __forceinline__ A inverse_deviation(A variance, double eps) {
  return A{1} / std::sqrt(variance + static_cast<A>(eps));
}

/// [C] each; the last two of the forward or of the backward pass.
template <class A> struct BatchNormVectors {
  const A* mean;
  const A* variance;
  const A* gamma;
  const A* beta;
  const A* dgamma;
  const A* dbeta;
};

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
};

template <class A> [[nodiscard]] BatchNormActivation<A> ready(const Activation& a) {
  const bool drops = a.kind == Activation::Kind::relu_dropout;
  return {.keys = philox_keys(a.key, a.step_there),
          .largest_dropped = drops ? largest_dropped_number(a.p) : 0,
          .scale = static_cast<A>(1 / (1 - (drops ? a.p : 0)))};
}

/// BatchNormGradSums, ready for use.
template <class T> struct BatchNormGradTaken {
  const T* x;
  BatchNormVectors<Acc<T>> of;
  double eps;
  BatchNormActivation<Acc<T>> activation;
  bool drops;    ///< relu_dropout; relu else
  double* sums;  ///< or null: none are wanted
};
template <class T> [[nodiscard]] BatchNormGradTaken<T> taken(const BatchNormGradSums<T>& a) {
  return {.x = a.x.data(),
          .of = {.mean = a.mean.data(),
                 .variance = a.variance.data(),
                 .gamma = a.gamma.data(),
                 .beta = a.beta.data(),
                 .dgamma = nullptr,
                 .dbeta = nullptr},
          .eps = a.eps,
          .activation = ready<Acc<T>>(a.activation),
          .drops = a.activation.kind == Activation::Kind::relu_dropout,
          .sums = a.sums.data()};
}

}  // namespace vox::gpu
