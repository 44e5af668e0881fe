#include "kernels/instance_norm.h"

#include <memory>

#include "engine/dispatch.h"
#include "engine/kept.h"
#include "engine/ops.h"
#include "engine/ops/check.h"
#include "engine/tape.h"

namespace vox {
namespace {

/// Of which y is made, again where need be, and the gradients.
struct Saved {
  Tensor x;
  Tensor mean;
  Tensor inverse;
  Tensor gamma;  ///< undefined: 1
  Tensor beta;   ///< undefined: 0
};

template <class A> std::span<const A> values_of(const Tensor& vector) {
  return vector.defined() ? vector.values<A>() : std::span<const A>();
}
template <class A> std::span<A> mutable_values_of(Tensor& vector) {
  return vector.defined() ? vector.mutable_values<A>() : std::span<A>();
}

Saved with_statistics(const Tensor& x, const Tensor& gamma, const Tensor& beta, double eps) {
  const VolumeShape s = x.shape().volume();
  const Shape lanes{instance_norm_lanes(s)};
  Saved saved{.x = x.detached(),
              .mean = Tensor(lanes, accumulator(x.dtype()), x.device()),
              .inverse = Tensor(lanes, accumulator(x.dtype()), x.device()),
              .gamma = gamma.defined() ? gamma.detached() : Tensor(),
              .beta = beta.defined() ? beta.detached() : Tensor()};
  Tensor partials({instance_norm_partials(s)}, DType::f64, x.device());
  dispatch(x.device(), x.dtype(), [&]<class T>(auto& queue, TypeTag<T>) {
    instance_norm_statistics(queue, InstanceNormStatisticsArgs<T>{.shape = s,
                                                                  .x = x.values<T>(),
                                                                  .eps = eps,
                                                                  .partials = partials.mutable_values<double>(),
                                                                  .mean = saved.mean.mutable_values<Acc<T>>(),
                                                                  .inverse = saved.inverse.mutable_values<Acc<T>>()});
  });
  return saved;
}

Tensor normalised(const Saved& saved) {
  Tensor y = Tensor::like(saved.x);
  dispatch(y.device(), y.dtype(), [&]<class T>(auto& queue, TypeTag<T>) {
    instance_norm_forward(queue, InstanceNormArgs<T>{.shape = y.shape().volume(),
                                                     .x = saved.x.values<T>(),
                                                     .mean = saved.mean.values<Acc<T>>(),
                                                     .inverse = saved.inverse.values<Acc<T>>(),
                                                     .gamma = values_of<Acc<T>>(saved.gamma),
                                                     .beta = values_of<Acc<T>>(saved.beta),
                                                     .y = y.mutable_values<T>()});
  });
  return y;
}

void gradients(const Saved& saved, const Tensor& dy, GradSink& grads) {
  const VolumeShape s = dy.shape().volume();
  Tensor partials({instance_norm_partials(s)}, DType::f64, dy.device());
  Tensor dx;
  if (grads.wants(0)) { dx = dy.sole() ? dy : Tensor::like(saved.x); }
  Tensor dgamma = grads.wants(1) ? Tensor::like(saved.gamma) : Tensor();
  Tensor dbeta = grads.wants(2) ? Tensor::like(saved.beta) : Tensor();
  dispatch(dy.device(), dy.dtype(), [&]<class T>(auto& queue, TypeTag<T>) {
    instance_norm_backward(queue, InstanceNormGradArgs<T>{.shape = s,
                                                          .x = saved.x.values<T>(),
                                                          .mean = saved.mean.values<Acc<T>>(),
                                                          .inverse = saved.inverse.values<Acc<T>>(),
                                                          .gamma = values_of<Acc<T>>(saved.gamma),
                                                          .dy = dy.values<T>(),
                                                          .partials = partials.mutable_values<double>(),
                                                          .dx = mutable_values_of<T>(dx),
                                                          .dgamma = mutable_values_of<Acc<T>>(dgamma),
                                                          .dbeta = mutable_values_of<Acc<T>>(dbeta)});
  });
  if (dx.defined()) { grads.add(0, dx); }
  if (dgamma.defined()) { grads.add(1, dgamma); }
  if (dbeta.defined()) { grads.add(2, dbeta); }
}

}  // namespace

Tensor instance_norm(const Tensor& x, const Tensor& gamma, const Tensor& beta, const InstanceNormOptions& options) {
  check_volume(Op::instance_norm, "x", x);
  const Shape channels{x.shape()[1]};
  if (gamma.defined()) { check_parameter(Op::instance_norm, "gamma", gamma, channels, x); }
  if (beta.defined()) { check_parameter(Op::instance_norm, "beta", beta, channels, x); }
  VOX_CHECK(options.eps > 0, "instance_norm: eps is {}, wants more than 0", options.eps);
  VOX_CHECK(x.shape().voxels() > 1, "instance_norm: wants more than one voxel per case and channel, x is {}",
            x.shape().str());
  const auto saved = std::make_shared<const Saved>(with_statistics(x, gamma, beta, options.eps));
  const Tensor y = record(Op::instance_norm, normalised(*saved), {x, gamma, beta},
                          [saved](const Tensor& dy, GradSink& grads) { gradients(*saved, dy, grads); });
  if (y.wants_grad()) {
    can_remake(y, [saved] { return normalised(*saved); });
  }
  return y;
}

}  // namespace vox
