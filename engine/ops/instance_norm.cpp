#include <memory>

#include "engine/kept.h"
#include "engine/ops.h"
#include "engine/ops/check.h"
#include "engine/ops/normalise.h"
#include "engine/tape.h"

namespace vox {

Tensor instance_norm(const Tensor& x, const Tensor& gamma, const Tensor& beta, const InstanceNormOptions& options) {
  check_volume(Op::instance_norm, "x", x);
  check_instance_norm(Op::instance_norm, x.shape(), x, gamma, beta, options.eps);
  struct Saved {
    Tensor x;
    Normalisation norm;
  };
  const auto saved = std::make_shared<const Saved>(
      Saved{.x = x.detached(), .norm = instance_normalisation_of(x, {}, gamma, beta, options.eps, {})});
  Tensor y = record(Op::instance_norm, normalised(saved->x, saved->norm), {x, gamma, beta},
                    [saved](const Tensor& dy, GradSink& grads) {
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

}  // namespace vox
