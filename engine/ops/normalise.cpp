#include "engine/ops/normalise.h"

#include "engine/dispatch.h"
#include "engine/ops/case_sums.h"
#include "engine/ops/check.h"
#include "kernels/base/check.h"
#include "kernels/fill.h"
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

template <class A> std::span<A> values_or_none(Tensor* vector) {
  return vector != nullptr ? vector->mutable_values<A>() : std::span<A>();
}

/// Of each group of x, and makes n's mean and variance. Moves the running statistics where there are any.
void take_moments(const Tensor& x, const Tensor& boxes, Normalisation& n, NormTensors* running, double momentum) {
  const VolumeShape s = shared_volume(x.shape());
  const bool shared = active_share() != nullptr && !n.per_case;
  n.mean = Tensor({n.groups * s.c}, accumulator(x.dtype()), x.device());
  n.variance = Tensor::like(n.mean);
  Tensor partials({boxes.defined() ? 0 : batch_norm_partials(s)}, DType::f64, x.device());
  Tensor of_cases({shared ? s.n * s.c * kCaseMoments : 0}, DType::f64, x.device());
  Tensor* const mean = running != nullptr ? &running->running_mean : nullptr;
  Tensor* const variance = running != nullptr ? &running->running_var : nullptr;
  dispatch(x.device(), x.dtype(), [&]<class T>(auto& queue, TypeTag<T>) {
    BatchNormStatisticsArgs<T> args{.shape = s,
                                    .groups = n.groups,
                                    .x = x.values<T>(),
                                    .momentum = momentum,
                                    .boxes = values_of_boxes(boxes),
                                    .partials = partials.mutable_values<double>(),
                                    .case_moments = of_cases.mutable_values<double>(),
                                    .mean = n.mean.mutable_values<Acc<T>>(),
                                    .variance = n.variance.mutable_values<Acc<T>>(),
                                    .running_mean = values_or_none<Acc<T>>(mean),
                                    .running_variance = values_or_none<Acc<T>>(variance)};
    batch_norm_statistics(queue, args);
    if (!shared) { return; }
    const Tensor all = rows_of_batch(of_cases);
    args.shape.n = s.batch;
    args.case_moments = {};
    args.all_moments = all.values<double>();
    batch_norm_statistics(queue, args);
  });
}

/// [C], all of them this value.
Tensor constant(const Tensor& x, double value) {
  Tensor t({x.shape()[1]}, accumulator(x.dtype()), x.device());
  dispatch(t.device(), t.dtype(), [&]<class T>(auto& queue, TypeTag<T>) {
    fill_forward(queue, FillArgs<T>{.value = static_cast<Acc<T>>(value), .y = t.mutable_values<T>()});
  });
  return t;
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
  VOX_CHECK(options.mode == BatchNormMode::inference || shared_volume(x).whole() * x.voxels() > 1,
            "{}: training wants more than one value per channel, x is {}", name(op), x.str());
}

void check_instance_norm(Op op, const Shape& x, const Tensor& like, const Tensor& gamma, const Tensor& beta,
                         double eps) {
  const Shape channels{x[1]};
  if (gamma.defined()) { check_parameter(op, "gamma", gamma, channels, like); }
  if (beta.defined()) { check_parameter(op, "beta", beta, channels, like); }
  VOX_CHECK(eps > 0, "{}: eps is {}, wants more than 0", name(op), eps);
  VOX_CHECK(x[0] > 0 && x.voxels() > 1, "{}: wants more than one voxel per case and channel, x is {}", name(op),
            x.str());
}

Activation relu_and(Op op, const DropoutOptions& dropout, const Tensor& x, double negative_slope) {
  using enum Activation::Kind;
  check_dropout(op, dropout, x);
  VOX_CHECK(negative_slope >= 0, "{}: negative_slope is {}, wants 0 or more", name(op), negative_slope);
  const bool leaky = negative_slope > 0;
  return {.kind = dropout.p > 0 ? (leaky ? leaky_relu_dropout : relu_dropout) : (leaky ? leaky_relu : relu),
          .p = dropout.p,
          .key = dropout.key,
          .step_there = dropout.step_there,
          .negative_slope = negative_slope};
}

namespace {

/// Of this rank's cases of x.
Activation shared(Activation a, const Tensor& x) {
  a.key = shared_key(a.key, x.shape());
  return a;
}

}  // namespace

Normalisation normalisation_of(const Tensor& x, const Tensor& boxes, NormTensors& of, const BatchNormOptions& options,
                               const Activation& activation) {
  const bool training = options.mode == BatchNormMode::training;
  Normalisation n{.gamma = of.gamma.detached(),
                  .beta = of.beta.detached(),
                  .mean = {},
                  .variance = {},
                  .statistics = training ? Statistics::of_batch : Statistics::constant,
                  .eps = options.eps,
                  .activation = shared(activation, x)};
  if (training) {
    take_moments(x, boxes, n, &of, options.momentum);
  } else {
    n.mean = copy_of(of.running_mean);
    n.variance = copy_of(of.running_var);
  }
  return n;
}

Normalisation instance_normalisation_of(const Tensor& x, const Tensor& boxes, const Tensor& gamma, const Tensor& beta,
                                        double eps, const Activation& activation) {
  Normalisation n{.gamma = gamma.defined() ? gamma.detached() : constant(x, 1),
                  .beta = beta.defined() ? beta.detached() : constant(x, 0),
                  .mean = {},
                  .variance = {},
                  .groups = x.shape()[0],
                  .per_case = true,
                  .eps = eps,
                  .activation = shared(activation, x)};
  take_moments(x, boxes, n, nullptr, 0);
  return n;
}

namespace {

/// To y, which may be x. note_passed: a tensor for the bits of what passes, or undefined.
Tensor normalised_to(Tensor y, const Tensor& x, const Normalisation& n, Tensor note_passed) {
  dispatch(y.device(), y.dtype(), [&]<class T>(auto& queue, TypeTag<T>) {
    batch_norm_forward(
        queue, BatchNormArgs<T>{.shape = y.shape().volume(),
                                .groups = n.groups,
                                .x = x.values<T>(),
                                .mean = n.mean.values<Acc<T>>(),
                                .variance = n.variance.values<Acc<T>>(),
                                .gamma = n.gamma.values<Acc<T>>(),
                                .beta = n.beta.values<Acc<T>>(),
                                .eps = n.eps,
                                .activation = n.activation,
                                .y = y.mutable_values<T>(),
                                .note_passed = note_passed.defined() ? note_passed.mutable_values<std::uint8_t>()
                                                                     : std::span<std::uint8_t>(),
                                .passed = passed_of(n)});
  });
  return y;
}

}  // namespace

Tensor normalised(const Tensor& x, const Normalisation& n) { return normalised_to(Tensor::like(x), x, n, {}); }
Tensor normalised_in_place(const Tensor& x, const Normalisation& n) { return normalised_to(x, x, n, {}); }

Tensor normalised_first(const Tensor& x, Normalisation& n) {
  if (x.device() != Device::cpu || !drops(n.activation.kind)) { return normalised(x, n); }
  const Tensor passed({passed_bytes(x.shape().volume())}, DType::u8, x.device());
  Tensor y = normalised_to(Tensor::like(x), x, n, passed);
  n.passed = passed;
  return y;
}

NormGradients norm_gradients(const Tensor& x, const Normalisation& n, const Tensor& dy, bool wants_dx,
                             const Tensor& boxes) {
  const VolumeShape s = shared_volume(x.shape());
  const bool shared = active_share() != nullptr;
  Tensor partials({boxes.defined() ? 0 : batch_norm_partials(s)}, DType::f64, x.device());
  Tensor of_groups({n.per_case ? 2 * n.groups * s.c : 0}, n.gamma.dtype(), x.device());
  Tensor of_cases({shared ? s.n * 2 * s.c : 0}, DType::f64, x.device());
  NormGradients g{.dx = {}, .dgamma = Tensor::like(n.gamma), .dbeta = Tensor::like(n.beta)};
  const bool in_place = dy.sole();
  if (wants_dx) { g.dx = in_place ? dy : Tensor::like(x); }
  dispatch(x.device(), x.dtype(), [&]<class T>(auto& queue, TypeTag<T>) {
    BatchNormGradArgs<T> args{.shape = s,
                              .groups = n.groups,
                              .statistics = n.statistics,
                              .x = x.values<T>(),
                              .mean = n.mean.values<Acc<T>>(),
                              .variance = n.variance.values<Acc<T>>(),
                              .gamma = n.gamma.values<Acc<T>>(),
                              .beta = n.beta.values<Acc<T>>(),
                              .eps = n.eps,
                              .activation = n.activation,
                              .passed = passed_of(n),
                              .dy = dy.values<T>(),
                              .boxes = values_of_boxes(boxes),
                              .partials = partials.mutable_values<double>(),
                              .per_case = n.per_case,
                              .of_groups = of_groups.mutable_values<Acc<T>>(),
                              .case_sums = of_cases.mutable_values<double>(),
                              .dx = g.dx.defined() ? g.dx.mutable_values<T>() : std::span<T>(),
                              .dgamma = g.dgamma.mutable_values<Acc<T>>(),
                              .dbeta = g.dbeta.mutable_values<Acc<T>>()};
    batch_norm_backward(queue, args);
    if (!shared) { return; }
    const Tensor all = rows_of_batch(of_cases);
    args.case_sums = {};
    args.all_sums = all.values<double>();
    batch_norm_backward(queue, args);
  });
  return g;
}

}  // namespace vox
