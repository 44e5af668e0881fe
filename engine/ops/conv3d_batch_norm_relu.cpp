#include <utility>

#include "engine/dispatch.h"
#include "engine/ops.h"
#include "engine/ops/norm_layer.h"
#include "engine/tape.h"
#include "kernels/batch_norm_fold.h"

namespace vox {
namespace {

constexpr Op kOp = Op::conv3d_batch_norm_relu;

/// Where the statistics are constant the batch norm is part of the convolution: its weight and bias.
Tensor folded(const NormLayer& l, const NormTensors& of, double eps) {
  Tensor scaled = Tensor::like(l.weight);
  Tensor bias = Tensor::like(of.beta);
  dispatch(l.weight.device(), l.x.first.dtype(), [&]<class T>(auto& queue, TypeTag<T>) {
    batch_norm_fold(queue, BatchNormFoldArgs<T>{.weight = l.weight.values<Acc<T>>(),
                                                .mean = of.running_mean.values<Acc<T>>(),
                                                .variance = of.running_var.values<Acc<T>>(),
                                                .gamma = of.gamma.values<Acc<T>>(),
                                                .beta = of.beta.values<Acc<T>>(),
                                                .eps = eps,
                                                .folded = scaled.mutable_values<Acc<T>>(),
                                                .bias = bias.mutable_values<Acc<T>>()});
  });
  return correlate(l.g, l.x, scaled, bias, {.relu = true});
}

}  // namespace

Tensor conv3d_batch_norm_relu(Tensor a, Tensor b, const Tensor& weight, const Tensor& gamma, const Tensor& beta,
                              Tensor running_mean, Tensor running_var, const BatchNormOptions& norm,
                              const DropoutOptions& dropout) {
  NormLayer l = norm_layer(kOp, std::move(a), std::move(b), weight, {});
  l.gamma = gamma;
  l.beta = beta;
  NormTensors of{gamma, beta, std::move(running_mean), std::move(running_var)};
  const Activation activation = relu_and(kOp, dropout, l.x.first);
  const VolumeShape& y = l.g.y;
  check_norm(kOp, {y.n, y.c, y.d, y.h, y.w}, l.x.first, of, norm);
  if (!records(l) && norm.mode == BatchNormMode::inference && dropout.p == 0) {
    return record(kOp, folded(l, of, norm.eps), {l.x.first, l.x.second, weight, gamma, beta}, no_gradient(kOp));
  }
  return layer_result(std::move(l), [&](const Tensor& result, const Tensor& boxes) {
    return normalisation_of(result, boxes, of, norm, activation);
  });
}

}  // namespace vox
