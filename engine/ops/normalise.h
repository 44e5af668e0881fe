#pragma once

#include "engine/ops.h"
#include "engine/tensor.h"
#include "kernels/batch_norm.h"

namespace vox {

// What the operators with a batch norm or an instance norm in them are made of.

/// The tensors of a batch norm beside its input, [C] each.
struct NormTensors {
  Tensor gamma;
  Tensor beta;
  Tensor running_mean;
  Tensor running_var;
};
/// Throws where they or the options do not fit a volume batch of this shape, in the dtype and on the device of `like`.
void check_norm(Op, const Shape& x, const Tensor& like, const NormTensors&, const BatchNormOptions&);

/// The same of an instance norm.
void check_instance_norm(Op, const Shape& x, const Tensor& like, const Tensor& gamma, const Tensor& beta, double eps);

/// relu, or leaky_relu where there is a slope, and dropout where its p is not 0. Throws where p is none, or the slope
/// below 0. x: of the operator.
[[nodiscard]] Activation relu_and(Op, const DropoutOptions&, const Tensor& x, double negative_slope = 0);

/// A norm whose mean and variance are known: a function of x alone. Groups as kernels/batch_norm.h has them.
struct Normalisation {
  Tensor gamma;
  Tensor beta;
  Tensor mean;
  Tensor variance;
  std::int64_t groups = 1;
  bool per_case = false;  ///< each case is a group
  Statistics statistics = Statistics::of_batch;
  double eps = 0;
  Activation activation;
  Tensor passed = {};  ///< on the CPU, behind a dropout: a bit per element that normalised_first() found to pass
};
/// In training with the moments of x, towards which the running ones move; in inference with the running ones as they
/// are now. boxes: what a convolution's epilogue made of x, or undefined.
[[nodiscard]] Normalisation normalisation_of(const Tensor& x, const Tensor& boxes, NormTensors&,
                                             const BatchNormOptions&, const Activation&);
/// With the moments of each case of x. gamma, beta: or undefined, 1 and 0.
[[nodiscard]] Normalisation instance_normalisation_of(const Tensor& x, const Tensor& boxes, const Tensor& gamma,
                                                      const Tensor& beta, double eps, const Activation&);

[[nodiscard]] Tensor normalised(const Tensor& x, const Normalisation&);
/// The same in the memory of x, which nobody else sees.
[[nodiscard]] Tensor normalised_in_place(const Tensor& x, const Normalisation&);
/// The same; notes what the passes after it then need not work out again.
[[nodiscard]] Tensor normalised_first(const Tensor& x, Normalisation&);

/// Of the gradient of a result normalised(x, norm): what the rule that makes it may take in passing, as
/// BatchNormGradSums. The tape hands it on (GradSink::sums).
struct GradientSums {
  Tensor x;
  Normalisation norm;
  Tensor boxes = {};  ///< the sums; undefined where nobody took them
};

struct NormGradients {
  Tensor dx;  ///< undefined where it was not wanted
  Tensor dgamma;
  Tensor dbeta;
};
/// dx takes the place of dy where nobody else sees dy. boxes: GradientSums::boxes.
[[nodiscard]] NormGradients norm_gradients(const Tensor& x, const Normalisation&, const Tensor& dy, bool wants_dx,
                                           const Tensor& boxes = {});

}  // namespace vox
