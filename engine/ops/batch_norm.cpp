#include "kernels/batch_norm.h"

#include "engine/dispatch.h"
#include "engine/ops.h"
#include "engine/ops/check.h"
#include "engine/tape.h"
#include "kernels/check.h"
#include "kernels/pointwise.h"

namespace vox {
namespace {

struct Moments {
  Tensor mean;
  Tensor variance;
};

/// Of the batch; moves the running statistics towards them.
Moments batch_moments(const Tensor& x, Tensor& running_mean, Tensor& running_var, double momentum) {
  const VolumeShape s = x.shape().volume();
  Moments m{.mean = Tensor::like(running_mean), .variance = Tensor::like(running_var)};
  Tensor partials({batch_norm_partials(s)}, DType::f64, x.device());
  dispatch(x.device(), x.dtype(), [&]<class T>(auto& queue, TypeTag<T>) {
    batch_norm_statistics(queue, BatchNormStatisticsArgs<T>{.shape = s,
                                                            .x = x.values<T>(),
                                                            .momentum = momentum,
                                                            .partials = partials.mutable_values<double>(),
                                                            .mean = m.mean.mutable_values<Acc<T>>(),
                                                            .variance = m.variance.mutable_values<Acc<T>>(),
                                                            .running_mean = running_mean.mutable_values<Acc<T>>(),
                                                            .running_variance = running_var.mutable_values<Acc<T>>()});
  });
  return m;
}

/// Of the running statistics as they are now: a later training pass moves those in place.
Tensor copy_of(const Tensor& parameter) {
  Tensor copy = Tensor::like(parameter);
  dispatch(parameter.device(), parameter.dtype(), [&]<class T>(auto& queue, TypeTag<T>) {
    scale_forward(queue, ScaleArgs<T>{.x = parameter.values<T>(), .factor = 1, .y = copy.mutable_values<T>()});
  });
  return copy;
}

struct Saved {
  Tensor x;
  Tensor gamma;
  Tensor beta;
  Moments moments;
  BatchNormOptions options;
  Activation activation;
};

Tensor forward(const Saved& saved) {
  Tensor y = Tensor::like(saved.x);
  dispatch(y.device(), y.dtype(), [&]<class T>(auto& queue, TypeTag<T>) {
    batch_norm_forward(queue, BatchNormArgs<T>{.shape = y.shape().volume(),
                                               .x = saved.x.values<T>(),
                                               .mean = saved.moments.mean.values<Acc<T>>(),
                                               .variance = saved.moments.variance.values<Acc<T>>(),
                                               .gamma = saved.gamma.values<Acc<T>>(),
                                               .beta = saved.beta.values<Acc<T>>(),
                                               .eps = saved.options.eps,
                                               .activation = saved.activation,
                                               .y = y.mutable_values<T>()});
  });
  return y;
}

void backward_rule(const Saved& saved, const Tensor& dy, GradSink& grads) {
  const Tensor& x = saved.x;
  const VolumeShape s = x.shape().volume();
  const bool training = saved.options.mode == BatchNormMode::training;
  Tensor partials({batch_norm_partials(s)}, DType::f64, x.device());
  Tensor dx = grads.wants(0) ? Tensor::like(x) : Tensor();
  Tensor dgamma = Tensor::like(saved.gamma);
  Tensor dbeta = Tensor::like(saved.gamma);
  dispatch(x.device(), x.dtype(), [&]<class T>(auto& queue, TypeTag<T>) {
    batch_norm_backward(queue,
                        BatchNormGradArgs<T>{.shape = s,
                                             .statistics = training ? Statistics::of_batch : Statistics::constant,
                                             .x = x.values<T>(),
                                             .mean = saved.moments.mean.values<Acc<T>>(),
                                             .variance = saved.moments.variance.values<Acc<T>>(),
                                             .gamma = saved.gamma.values<Acc<T>>(),
                                             .beta = saved.beta.values<Acc<T>>(),
                                             .eps = saved.options.eps,
                                             .activation = saved.activation,
                                             .dy = dy.values<T>(),
                                             .partials = partials.mutable_values<double>(),
                                             .dx = dx.defined() ? dx.mutable_values<T>() : std::span<T>(),
                                             .dgamma = dgamma.mutable_values<Acc<T>>(),
                                             .dbeta = dbeta.mutable_values<Acc<T>>()});
  });
  if (dx.defined()) { grads.add(0, dx); }
  grads.add(1, dgamma);
  grads.add(2, dbeta);
}

Tensor normalise(Op op, const Tensor& x, const Tensor& gamma, const Tensor& beta, Tensor& running_mean,
                 Tensor& running_var, const BatchNormOptions& options, const Activation& activation) {
  check_volume(op, "x", x);
  const Shape channels{x.shape()[1]};
  check_parameter(op, "gamma", gamma, channels, x);
  check_parameter(op, "beta", beta, channels, x);
  check_parameter(op, "running_mean", running_mean, channels, x);
  check_parameter(op, "running_var", running_var, channels, x);
  VOX_CHECK(options.eps > 0, "{}: eps is {}, wants more than 0", name(op), options.eps);
  VOX_CHECK(options.momentum >= 0 && options.momentum <= 1, "{}: momentum is {}, wants [0,1]", name(op),
            options.momentum);
  const bool training = options.mode == BatchNormMode::training;
  VOX_CHECK(!training || x.shape()[0] * x.shape().voxels() > 1,
            "{}: training wants more than one value per channel, x is {}", name(op), x.shape().str());

  Saved saved{.x = x.detached(),
              .gamma = gamma.detached(),
              .beta = beta.detached(),
              .moments = {},
              .options = options,
              .activation = activation};
  saved.moments = training ? batch_moments(x, running_mean, running_var, options.momentum)
                           : Moments{.mean = copy_of(running_mean), .variance = copy_of(running_var)};
  const Tensor y = forward(saved);
  return record(op, y, {x, gamma, beta},
                [saved = std::move(saved)](const Tensor& dy, GradSink& grads) { backward_rule(saved, dy, grads); });
}

}  // namespace

Tensor batch_norm(const Tensor& x, const Tensor& gamma, const Tensor& beta, Tensor running_mean, Tensor running_var,
                  const BatchNormOptions& options) {
  return normalise(Op::batch_norm, x, gamma, beta, running_mean, running_var, options, {});
}

Tensor batch_norm_relu(const Tensor& x, const Tensor& gamma, const Tensor& beta, Tensor running_mean,
                       Tensor running_var, const BatchNormOptions& options, const DropoutOptions& dropout) {
  VOX_CHECK(dropout.p >= 0 && dropout.p < 1, "batch_norm_relu: p is {}, wants [0,1)", dropout.p);
  const auto kind = dropout.p > 0 ? Activation::Kind::relu_dropout : Activation::Kind::relu;
  return normalise(Op::batch_norm_relu, x, gamma, beta, running_mean, running_var, options,
                   {.kind = kind, .p = dropout.p, .key = dropout.key});
}

}  // namespace vox
