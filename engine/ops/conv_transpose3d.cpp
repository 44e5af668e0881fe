#include "kernels/conv_transpose3d.h"

#include "engine/dispatch.h"
#include "engine/ops.h"
#include "engine/ops/check.h"
#include "engine/ops/scratch.h"
#include "engine/tape.h"

namespace vox {
namespace {

Conv3dGeometry checked_geometry(const Tensor& x, const Tensor& weight, const Tensor& bias,
                                const ConvTranspose3dOptions& o) {
  check_volume(Op::conv_transpose3d, "x", x);
  const Shape& w = weight.shape();
  VOX_CHECK(
      w.rank() == 5 && w[0] >= 1 && w[1] >= 1 && w[0] == x.shape()[1] && w[2] >= 1 && w[2] == w[3] && w[2] == w[4],
      "conv_transpose3d: weight is {}, wants [{},O,K,K,K]", w.str(), x.shape()[1]);
  check_parameter(Op::conv_transpose3d, "weight", weight, w, x);
  if (bias.defined()) { check_parameter(Op::conv_transpose3d, "bias", bias, {w[1]}, x); }
  VOX_CHECK(o.stride >= 1, "conv_transpose3d: stride is {}, wants 1 or more", o.stride);
  VOX_CHECK(o.padding >= 0, "conv_transpose3d: padding is {}, wants 0 or more", o.padding);
  VOX_CHECK(o.output_padding >= 0 && o.output_padding < o.stride,
            "conv_transpose3d: output_padding is {}, wants 0 to {}", o.output_padding, o.stride - 1);
  const auto g = conv_transpose3d_geometry(x.shape().volume(), w[1], w[2], o.stride, o.padding, o.output_padding);
  VOX_CHECK(g.x.d > 0 && g.x.h > 0 && g.x.w > 0,
            "conv_transpose3d: x is {}, and kernel {}, stride {}, padding {} leave nothing of it", x.shape().str(),
            g.kernel, g.stride, g.padding);
  return g;
}

Tensor grad_input(const Conv3dGeometry& g, const Tensor& x, const Tensor& weight, const Tensor& dy) {
  Tensor dx = Tensor::like(x);
  dispatch(x.device(), x.dtype(), [&]<class T>(auto& queue, TypeTag<T>) {
    const Conv3dAlgorithm algorithm = choose<T>(queue, Conv3dPass::correlate, g);
    Tensor scratch = scratch_for(x, conv3d_forward_scratch(queue, g, algorithm));
    conv3d_forward(queue, Conv3dArgs<T>{.geometry = g,
                                        .algorithm = algorithm,
                                        .x = dy.values<T>(),
                                        .weight = weight.values<Acc<T>>(),
                                        .bias = {},
                                        .y = dx.mutable_values<T>(),
                                        .scratch = scratch.mutable_values<Acc<T>>()});
  });
  return dx;
}

Tensor grad_weight(const Conv3dGeometry& g, const Tensor& x, const Tensor& weight, const Tensor& dy) {
  Tensor dweight = Tensor::like(weight);
  dispatch(x.device(), x.dtype(), [&]<class T>(auto& queue, TypeTag<T>) {
    const Conv3dAlgorithm algorithm = choose<T>(queue, Conv3dPass::grad_weight, g);
    Tensor scratch = scratch_for(x, conv3d_grad_weight_scratch(queue, g, algorithm));
    conv3d_grad_weight(queue, Conv3dGradWeightArgs<T>{.geometry = g,
                                                      .algorithm = algorithm,
                                                      .x = dy.values<T>(),
                                                      .dy = x.values<T>(),
                                                      .dweight = dweight.mutable_values<Acc<T>>(),
                                                      .scratch = scratch.mutable_values<Acc<T>>()});
  });
  return dweight;
}

}  // namespace

Tensor conv_transpose3d(const Tensor& x, const Tensor& weight, const Tensor& bias,
                        const ConvTranspose3dOptions& options) {
  const Conv3dGeometry g = checked_geometry(x, weight, bias, options);
  Tensor y = Tensor::volume({g.x.n, g.x.c, g.x.d, g.x.h, g.x.w}, x.dtype(), x.device());
  dispatch(x.device(), x.dtype(), [&]<class T>(auto& queue, TypeTag<T>) {
    const Conv3dAlgorithm algorithm = choose<T>(queue, Conv3dPass::spread, g);
    Tensor scratch = scratch_for(x, conv_transpose3d_scratch(queue, g, algorithm));
    conv_transpose3d_forward(
        queue, ConvTranspose3dArgs<T>{.geometry = g,
                                      .algorithm = algorithm,
                                      .x = x.values<T>(),
                                      .weight = weight.values<Acc<T>>(),
                                      .bias = bias.defined() ? bias.values<Acc<T>>() : std::span<const Acc<T>>{},
                                      .y = y.mutable_values<T>(),
                                      .scratch = scratch.mutable_values<Acc<T>>()});
  });
  return record(Op::conv_transpose3d, y, {x, weight, bias}, [g, x, weight](const Tensor& dy, GradSink& grads) {
    if (grads.wants(0)) { grads.add(0, grad_input(g, x, weight, dy)); }
    if (grads.wants(1)) { grads.add(1, grad_weight(g, x, weight, dy)); }
    if (grads.wants(2)) { grads.add(2, channel_sums(dy)); }
  });
}

}  // namespace vox
