#include <utility>

#include "engine/ops.h"
#include "engine/ops/check.h"
#include "engine/ops/norm_layer.h"

namespace vox {

Tensor conv3d_instance_norm_relu(Tensor a, Tensor b, const Tensor& weight, const Tensor& bias, const Tensor& gamma,
                                 const Tensor& beta, const Conv3dInstanceNormReluOptions& options,
                                 const DropoutOptions& dropout) {
  constexpr Op kOp = Op::conv3d_instance_norm_relu;
  NormLayer l = norm_layer(kOp, std::move(a), std::move(b), weight, {.stride = options.stride});
  const VolumeShape& y = l.g.y;
  if (bias.defined()) { check_parameter(kOp, "bias", bias, {y.c}, l.x.first); }
  check_instance_norm(kOp, {y.n, y.c, y.d, y.h, y.w}, l.x.first, gamma, beta, options.eps);
  const Activation activation = relu_and(kOp, dropout, l.x.first, options.negative_slope);
  l.gamma = gamma;
  l.beta = beta;
  l.bias = bias;
  return layer_result(std::move(l), [&](const Tensor& result, const Tensor& boxes) {
    return instance_normalisation_of(result, boxes, gamma, beta, options.eps, activation);
  });
}

}  // namespace vox
