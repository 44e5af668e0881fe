#include "engine/ops/norm_layer.h"

#include <memory>
#include <utility>

#include "engine/kept.h"
#include "engine/ops/check.h"
#include "engine/tape.h"

namespace vox {
namespace {

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
  if (grads.wants(5)) { grads.add(5, Tensor::zeros(n.dbeta.shape(), n.dbeta.dtype(), n.dbeta.device())); }
  if (grads.wants(2)) { grads.add(2, weight_gradient(saved.g, {saved.a.get(), saved.b.get()}, n.dx, saved.weight)); }
  if (wants_dx) {
    const TensorParts dx = spread(saved.g, n.dx, saved.weight, {}, saved.g.split == 0 ? grads.sums(0) : nullptr);
    if (grads.wants(0)) { grads.add(0, dx.first); }
    if (grads.wants(1)) { grads.add(1, dx.second); }
  }
}

}  // namespace

NormLayer norm_layer(Op op, Tensor a, Tensor b, const Tensor& weight, const Conv3dOptions& options) {
  check_volume(op, "a", a);
  Shape x = a.shape();
  if (b.defined()) {
    check_concat(op, a, b);
    x = {x[0], x[1] + b.shape()[1], x[2], x[3], x[4]};
  }
  Conv3dGeometry g = checked_conv3d(op, x, a, weight, {}, options);
  if (b.defined() && a.shape()[1] % kBlock8 != 0) {  // b's blocks begin inside one of a
    a = concat(a, b);
    b = Tensor();
  }
  g.split = b.defined() ? a.shape()[1] : 0;
  return {.op = op, .g = g, .x = {std::move(a), std::move(b)}, .weight = weight, .gamma = {}, .beta = {}};
}

bool records(const NormLayer& l) { return records({l.x.first, l.x.second, l.weight, l.gamma, l.beta, l.bias}); }

Tensor layer_result(NormLayer l, const MakeNorm& make_norm) {
  const bool recorded = records(l);
  Tensor boxes;
  const Tensor y = correlate(l.g, l.x, l.weight, {}, {.moments = &boxes});
  Kept a = recorded ? Kept(l.x.first) : Kept();
  Kept b = recorded ? Kept(l.x.second) : Kept();
  l.x = {.first = l.x.first.released(), .second = l.x.second.released()};
  const std::initializer_list<Tensor> inputs{l.x.first, l.x.second, l.weight, l.gamma, l.beta, l.bias};
  if (!recorded) { return record(l.op, normalised_in_place(y, make_norm(y, boxes)), inputs, no_gradient(l.op)); }
  const auto saved = std::make_shared<Saved>(Saved{.g = l.g,
                                                   .a = std::move(a),
                                                   .b = std::move(b),
                                                   .weight = l.weight.detached(),
                                                   .of = {.x = y, .norm = make_norm(y, boxes)}});
  Tensor result = record(l.op, normalised_first(y, saved->of.norm), inputs,
                         [saved](const Tensor& da, GradSink& grads) { backward_rule(*saved, da, grads); });
  can_remake(result, [saved] { return normalised(saved->of.x, saved->of.norm); });
  wants_sums(result, {saved, &saved->of});
  return result;
}

}  // namespace vox
