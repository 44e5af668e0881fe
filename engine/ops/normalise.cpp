#include "engine/ops/normalise.h"

#include "engine/dispatch.h"
#include "engine/ops/check.h"
#include "kernels/base/check.h"
#include "kernels/pointwise.h"

namespace vox {
namespace {

/// Of the running statistics as they are now: a later training pass moves those in place.
Tensor copy_of(const Tensor& parameter) {
  Tensor copy = Tensor::like(parameter);
  dispatch(parameter.device(), parameter.dtype(), [&]<class T>(auto& queue, TypeTag<T>) {
    scale_forward(queue, ScaleArgs<T>{.x = parameter.values<T>(), .factor = 1, .y = copy.mutable_values<T>()});
  });
  return copy;
}

std::span<const double> values_of_boxes(const Tensor& boxes) {
  return boxes.defined() ? boxes.values<double>() : std::span<const double>();
}

/// Moves the running statistics, too.
void take_moments(const Tensor& x, const Tensor& boxes, NormTensors& of, Normalisation& n) {
  const VolumeShape s = x.shape().volume();
  Tensor partials({boxes.defined() ? 0 : batch_norm_partials(s)}, DType::f64, x.device());
  dispatch(x.device(), x.dtype(), [&]<class T>(auto& queue, TypeTag<T>) {
    batch_norm_statistics(queue,
                          BatchNormStatisticsArgs<T>{.shape = s,
                                                     .x = x.values<T>(),
                                                     .momentum = n.options.momentum,
                                                     .boxes = values_of_boxes(boxes),
                                                     .partials = partials.mutable_values<double>(),
                                                     .mean = n.mean.mutable_values<Acc<T>>(),
                                                     .variance = n.variance.mutable_values<Acc<T>>(),
                                                     .running_mean = of.running_mean.mutable_values<Acc<T>>(),
                                                     .running_variance = of.running_var.mutable_values<Acc<T>>()});
  });
}

std::span<const std::uint8_t> passed_of(const Normalisation& n) {
  return n.passed.defined() ? n.passed.values<std::uint8_t>() : std::span<const std::uint8_t>();
}

}  // namespace

void check_norm(Op op, const Shape& x, const Tensor& like, const NormTensors& of, const BatchNormOptions& options) {
  const Shape channels{x[1]};
  check_parameter(op, "gamma", of.gamma, channels, like);
  check_parameter(op, "beta", of.beta, channels, like);
  check_parameter(op, "running_mean", of.running_mean, channels, like);
  check_parameter(op, "running_var", of.running_var, channels, like);
  VOX_CHECK(options.eps > 0, "{}: eps is {}, wants more than 0", name(op), options.eps);
  VOX_CHECK(options.momentum >= 0 && options.momentum <= 1, "{}: momentum is {}, wants [0,1]", name(op),
            options.momentum);
  VOX_CHECK(options.mode == BatchNormMode::inference || x[0] * x.voxels() > 1,
            "{}: training wants more than one value per channel, x is {}", name(op), x.str());
}

Activation relu_and(Op op, const DropoutOptions& dropout, const Tensor& x) {
  check_dropout(op, dropout, x);
  return {.kind = dropout.p > 0 ? Activation::Kind::relu_dropout : Activation::Kind::relu,
          .p = dropout.p,
          .key = dropout.key,
          .step_there = dropout.step_there};
}

Normalisation normalisation_of(const Tensor& x, const Tensor& boxes, NormTensors& of, const BatchNormOptions& options,
                               const Activation& activation) {
  Normalisation n{.gamma = of.gamma.detached(),
                  .beta = of.beta.detached(),
                  .mean = {},
                  .variance = {},
                  .options = options,
                  .activation = activation};
  if (options.mode == BatchNormMode::training) {
    n.mean = Tensor::like(of.running_mean);
    n.variance = Tensor::like(of.running_var);
    take_moments(x, boxes, of, n);
  } else {
    n.mean = copy_of(of.running_mean);
    n.variance = copy_of(of.running_var);
  }
  return n;
}

namespace {

/// note_passed: a tensor for the bits of what passes, or undefined.
Tensor normalised(const Tensor& x, const Normalisation& n, Tensor note_passed) {
  Tensor y = Tensor::like(x);
  dispatch(y.device(), y.dtype(), [&]<class T>(auto& queue, TypeTag<T>) {
    batch_norm_forward(
        queue, BatchNormArgs<T>{.shape = y.shape().volume(),
                                .x = x.values<T>(),
                                .mean = n.mean.values<Acc<T>>(),
                                .variance = n.variance.values<Acc<T>>(),
                                .gamma = n.gamma.values<Acc<T>>(),
                                .beta = n.beta.values<Acc<T>>(),
                                .eps = n.options.eps,
                                .activation = n.activation,
                                .y = y.mutable_values<T>(),
                                .note_passed = note_passed.defined() ? note_passed.mutable_values<std::uint8_t>()
                                                                     : std::span<std::uint8_t>(),
                                .passed = passed_of(n)});
  });
  return y;
}

}  // namespace

Tensor normalised(const Tensor& x, const Normalisation& n) { return normalised(x, n, {}); }

Tensor normalised_first(const Tensor& x, Normalisation& n) {
  if (x.device() != Device::cpu || n.activation.kind != Activation::Kind::relu_dropout) { return normalised(x, n); }
  const Tensor passed({passed_bytes(x.shape().volume())}, DType::u8, x.device());
  Tensor y = normalised(x, n, passed);
  n.passed = passed;
  return y;
}

NormGradients norm_gradients(const Tensor& x, const Normalisation& n, const Tensor& dy, bool wants_dx,
                             const Tensor& boxes) {
  const VolumeShape s = x.shape().volume();
  const bool training = n.options.mode == BatchNormMode::training;
  Tensor partials({boxes.defined() ? 0 : batch_norm_partials(s)}, DType::f64, x.device());
  NormGradients g{.dx = {}, .dgamma = Tensor::like(n.gamma), .dbeta = Tensor::like(n.beta)};
  const bool in_place = dy.sole();
  if (wants_dx) { g.dx = in_place ? dy : Tensor::like(x); }
  dispatch(x.device(), x.dtype(), [&]<class T>(auto& queue, TypeTag<T>) {
    batch_norm_backward(queue,
                        BatchNormGradArgs<T>{.shape = s,
                                             .statistics = training ? Statistics::of_batch : Statistics::constant,
                                             .x = x.values<T>(),
                                             .mean = n.mean.values<Acc<T>>(),
                                             .variance = n.variance.values<Acc<T>>(),
                                             .gamma = n.gamma.values<Acc<T>>(),
                                             .beta = n.beta.values<Acc<T>>(),
                                             .eps = n.options.eps,
                                             .activation = n.activation,
                                             .passed = passed_of(n),
                                             .dy = dy.values<T>(),
                                             .boxes = values_of_boxes(boxes),
                                             .partials = partials.mutable_values<double>(),
                                             .dx = g.dx.defined() ? g.dx.mutable_values<T>() : std::span<T>(),
                                             .dgamma = g.dgamma.mutable_values<Acc<T>>(),
                                             .dbeta = g.dbeta.mutable_values<Acc<T>>()});
  });
  return g;
}

}  // namespace vox
