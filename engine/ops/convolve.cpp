#include "engine/ops/convolve.h"

#include "engine/dispatch.h"
#include "kernels/conv_transpose3d.h"

namespace vox {
namespace {

Tensor volume_on(const VolumeShape& s, const Tensor& like) {
  return Tensor::volume({s.n, s.c, s.d, s.h, s.w}, like.dtype(), like.device());
}

/// Memory a kernel works in: elements of the accumulator type of x, on x's device.
Tensor scratch_for(const Tensor& x, std::int64_t elements) {
  return Tensor({elements}, accumulator(x.dtype()), x.device());
}

template <class A> std::span<const A> values_or_none(const Tensor& bias) {
  return bias.defined() ? bias.values<A>() : std::span<const A>{};
}

}  // namespace

Tensor correlate(const Conv3dGeometry& g, const Tensor& x, const Tensor& weight, const Tensor& bias) {
  Tensor y = volume_on(g.y, x);
  dispatch(x.device(), x.dtype(), [&]<class T>(auto& queue, TypeTag<T>) {
    const Conv3dAlgorithm algorithm = choose<T>(queue, Conv3dPass::correlate, g);
    Tensor scratch = scratch_for(x, conv3d_forward_scratch(queue, g, algorithm));
    conv3d_forward(queue, Conv3dArgs<T>{.geometry = g,
                                        .algorithm = algorithm,
                                        .x = x.values<T>(),
                                        .weight = weight.values<Acc<T>>(),
                                        .bias = values_or_none<Acc<T>>(bias),
                                        .y = y.mutable_values<T>(),
                                        .scratch = scratch.mutable_values<Acc<T>>()});
  });
  return y;
}

Tensor spread(const Conv3dGeometry& g, const Tensor& y, const Tensor& weight, const Tensor& bias) {
  Tensor x = volume_on(g.x, y);
  dispatch(y.device(), y.dtype(), [&]<class T>(auto& queue, TypeTag<T>) {
    const Conv3dAlgorithm algorithm = choose<T>(queue, Conv3dPass::spread, g);
    Tensor scratch = scratch_for(y, conv_transpose3d_scratch(queue, g, algorithm));
    conv_transpose3d_forward(queue, ConvTranspose3dArgs<T>{.geometry = g,
                                                           .algorithm = algorithm,
                                                           .x = y.values<T>(),
                                                           .weight = weight.values<Acc<T>>(),
                                                           .bias = values_or_none<Acc<T>>(bias),
                                                           .y = x.mutable_values<T>(),
                                                           .scratch = scratch.mutable_values<Acc<T>>()});
  });
  return x;
}

Tensor weight_gradient(const Conv3dGeometry& g, const Tensor& x, const Tensor& y, const Tensor& weight) {
  Tensor dweight = Tensor::like(weight);
  dispatch(x.device(), x.dtype(), [&]<class T>(auto& queue, TypeTag<T>) {
    const Conv3dAlgorithm algorithm = choose<T>(queue, Conv3dPass::grad_weight, g);
    Tensor scratch = scratch_for(x, conv3d_grad_weight_scratch(queue, g, algorithm));
    conv3d_grad_weight(queue, Conv3dGradWeightArgs<T>{.geometry = g,
                                                      .algorithm = algorithm,
                                                      .x = x.values<T>(),
                                                      .dy = y.values<T>(),
                                                      .dweight = dweight.mutable_values<Acc<T>>(),
                                                      .scratch = scratch.mutable_values<Acc<T>>()});
  });
  return dweight;
}

Tensor channel_sums(const Tensor& dy) {
  const VolumeShape shape = dy.shape().volume();
  Tensor sums({shape.c}, accumulator(dy.dtype()), dy.device());
  dispatch(dy.device(), dy.dtype(), [&]<class T>(auto& queue, TypeTag<T>) {
    Tensor scratch = scratch_for(dy, conv3d_grad_bias_scratch(queue, shape));
    conv3d_grad_bias(queue, Conv3dGradBiasArgs<T>{.shape = shape,
                                                  .dy = dy.values<T>(),
                                                  .dbias = sums.mutable_values<Acc<T>>(),
                                                  .scratch = scratch.mutable_values<Acc<T>>()});
  });
  return sums;
}

}  // namespace vox
