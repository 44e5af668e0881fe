#include "engine/ops/normalise.h"

#include <memory>
#include <utility>

#include "engine/kept.h"
#include "engine/ops/check.h"
#include "engine/tape.h"

namespace vox {
namespace {

Tensor normalise(Op op, const Tensor& x, NormTensors of, const BatchNormOptions& options,
                 const Activation& activation) {
  check_volume(op, "x", x);
  check_norm(op, x.shape(), x, of, options);
  struct Saved {
    Tensor x;
    Normalisation norm;
  };
  const auto saved =
      std::make_shared<Saved>(Saved{.x = x.detached(), .norm = normalisation_of(x, {}, of, options, activation)});
  const Tensor first = records({x, of.gamma, of.beta}) ? normalised_first(x, saved->norm) : normalised(x, saved->norm);
  Tensor y = record(op, first, {x, of.gamma, of.beta}, [saved](const Tensor& dy, GradSink& grads) {
    const NormGradients g = norm_gradients(saved->x, saved->norm, dy, grads.wants(0));
    if (g.dx.defined()) { grads.add(0, g.dx); }
    grads.add(1, g.dgamma);
    grads.add(2, g.dbeta);
  });
  if (y.wants_grad()) {
    can_remake(y, [saved] { return normalised(saved->x, saved->norm); });
  }
  return y;
}

}  // namespace

Tensor batch_norm(const Tensor& x, const Tensor& gamma, const Tensor& beta, Tensor running_mean, Tensor running_var,
                  const BatchNormOptions& options) {
  return normalise(Op::batch_norm, x, {gamma, beta, std::move(running_mean), std::move(running_var)}, options, {});
}

Tensor batch_norm_relu(const Tensor& x, const Tensor& gamma, const Tensor& beta, Tensor running_mean,
                       Tensor running_var, const BatchNormOptions& options, const DropoutOptions& dropout) {
  return normalise(Op::batch_norm_relu, x, {gamma, beta, std::move(running_mean), std::move(running_var)}, options,
                   relu_and(Op::batch_norm_relu, dropout, x));
}

}  // namespace vox
