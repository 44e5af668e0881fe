#include <memory>
#include <utility>

#include "engine/dispatch.h"
#include "engine/kept.h"
#include "engine/ops.h"
#include "engine/ops/check.h"
#include "engine/ops/convolve.h"
#include "engine/ops/normalise.h"
#include "engine/tape.h"
#include "kernels/base/check.h"

namespace vox {
namespace {

constexpr Op kOp = Op::conv3d_batch_norm_relu;

/// Where the statistics are constant the batch norm is part of the convolution: its weight and bias.
Tensor folded(const Conv3dGeometry& g, const TensorParts& x, const Tensor& weight, const NormTensors& of, double eps) {
  Tensor scaled = Tensor::like(weight);
  Tensor bias = Tensor::like(of.beta);
  dispatch(weight.device(), x.first.dtype(), [&]<class T>(auto& queue, TypeTag<T>) {
    batch_norm_fold(queue, BatchNormFoldArgs<T>{.weight = weight.values<Acc<T>>(),
                                                .mean = of.running_mean.values<Acc<T>>(),
                                                .variance = of.running_var.values<Acc<T>>(),
                                                .gamma = of.gamma.values<Acc<T>>(),
                                                .beta = of.beta.values<Acc<T>>(),
                                                .eps = eps,
                                                .folded = scaled.mutable_values<Acc<T>>(),
                                                .bias = bias.mutable_values<Acc<T>>()});
  });
  return correlate(g, x, scaled, bias, {.relu = true});
}

/// Of a layer whose result is normalised(of.x, of.norm).
struct Saved {
  Conv3dGeometry g;
  Kept a;
  Kept b;
  Tensor weight;
  GradientSums of;
};

void backward_rule(Saved& saved, const Tensor& da, GradSink& grads) {
  const bool wants_dx = grads.wants(0) || grads.wants(1);
  const NormGradients n = norm_gradients(saved.of.x, saved.of.norm, da, wants_dx || grads.wants(2), saved.of.boxes);
  saved.of.x = Tensor();  // no rule reads it after this one: those that made the result again from it have run
  saved.of.norm.passed = Tensor();
  saved.of.boxes = Tensor();
  grads.add(3, n.dgamma);
  grads.add(4, n.dbeta);
  if (grads.wants(2)) { grads.add(2, weight_gradient(saved.g, {saved.a.get(), saved.b.get()}, n.dx, saved.weight)); }
  if (wants_dx) {
    const TensorParts dx = spread(saved.g, n.dx, saved.weight, {}, saved.g.split == 0 ? grads.sums(0) : nullptr);
    if (grads.wants(0)) { grads.add(0, dx.first); }
    if (grads.wants(1)) { grads.add(1, dx.second); }
  }
}

}  // namespace

Tensor conv3d_batch_norm_relu(Tensor a, Tensor b, const Tensor& weight, const Tensor& gamma, const Tensor& beta,
                              Tensor running_mean, Tensor running_var, const BatchNormOptions& norm,
                              const DropoutOptions& dropout) {
  check_volume(kOp, "a", a);
  Shape x = a.shape();
  if (b.defined()) {
    check_concat(kOp, a, b);
    x = {x[0], x[1] + b.shape()[1], x[2], x[3], x[4]};
  }
  Conv3dGeometry g = checked_conv3d(kOp, x, a, weight, {}, {});
  NormTensors of{gamma, beta, std::move(running_mean), std::move(running_var)};
  const Activation activation = relu_and(kOp, dropout, a);
  check_norm(kOp, {g.y.n, g.y.c, g.y.d, g.y.h, g.y.w}, a, of, norm);
  if (b.defined() && a.shape()[1] % kBlock8 != 0) {  // b's blocks begin inside one of a
    return conv3d_batch_norm_relu(concat(a, b), {}, weight, gamma, beta, of.running_mean, of.running_var, norm,
                                  dropout);
  }
  g.split = b.defined() ? a.shape()[1] : 0;
  const bool recorded = records({a, b, weight, gamma, beta});
  if (!recorded && norm.mode == BatchNormMode::inference && dropout.p == 0) {
    return record(kOp, folded(g, {a, b}, weight, of, norm.eps), {a, b, weight, gamma, beta}, no_gradient(kOp));
  }
  Tensor boxes;
  const Tensor y = correlate(g, {a, b}, weight, {}, {.moments = &boxes});
  const auto saved = std::make_shared<Saved>(Saved{.g = g,
                                                   .a = recorded ? Kept(a) : Kept(),
                                                   .b = recorded ? Kept(b) : Kept(),
                                                   .weight = weight.detached(),
                                                   .of = {.x = y, .norm = {}}});
  a = a.released();
  b = b.released();
  saved->of.norm = normalisation_of(y, boxes, of, norm, activation);
  const Tensor result = record(kOp, recorded ? normalised_first(y, saved->of.norm) : normalised(y, saved->of.norm),
                               {a, b, weight, gamma, beta},
                               [saved](const Tensor& da, GradSink& grads) { backward_rule(*saved, da, grads); });
  if (recorded) {
    can_remake(result, [saved] { return normalised(saved->of.x, saved->of.norm); });
    wants_sums(result, {saved, &saved->of});
  }
  return result;
}

}  // namespace vox
