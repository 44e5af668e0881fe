#pragma once

#include "engine/ops.h"
#include "engine/tape.h"
#include "engine/tensor.h"
#include "kernels/conv3d.h"

namespace vox {

// The three kernels that conv3d and conv_transpose3d are made of, each the other's gradient, on any device, by the
// fastest algorithm that fits. g is the geometry of the conv3d.

/// The fine side of a convolution: one volume batch, or where g is split two, which follow one another along C.
struct TensorParts {
  Tensor first;
  Tensor second = {};
};

/// The geometry of conv3d on a volume batch of this shape; throws where the parameters or the options do not fit it.
/// `like` has the dtype and the device of x.
[[nodiscard]] Conv3dGeometry checked_conv3d(Op, const Shape& x, const Tensor& like, const Tensor& weight,
                                            const Tensor& bias, const Conv3dOptions&);

/// What to do with y as long as it is at hand.
struct Epilogue {
  bool relu = false;
  Tensor* moments = nullptr;  ///< becomes what batch_norm_statistics() takes as boxes, undefined where there are none
};

/// y of conv3d: x [g.x], weight [O,I,K,K,K], bias [O] or undefined.
[[nodiscard]] Tensor correlate(const Conv3dGeometry& g, const TensorParts& x, const Tensor& weight, const Tensor& bias,
                               const Epilogue& = {});

/// Its adjoint, y of conv_transpose3d: y [g.y] in, a volume batch [g.x] out, bias [I] or undefined. sums: those that
/// are wanted of the result, a gradient, or null; they get their boxes where the algorithm takes them in passing.
[[nodiscard]] TensorParts spread(const Conv3dGeometry& g, const Tensor& y, const Tensor& weight, const Tensor& bias,
                                 GradientSums* sums = nullptr);

/// The gradient of the weight, given the fine side x [g.x] and the coarse side y [g.y], one of them a gradient; and the
/// channel_sums() of either where wanted, for which it is not read again if the algorithm can.
struct ChannelSums {
  Tensor* x = nullptr;
  Tensor* y = nullptr;
};
[[nodiscard]] Tensor weight_gradient(const Conv3dGeometry& g, const TensorParts& x, const Tensor& y,
                                     const Tensor& weight, const ChannelSums& wanted = {});

/// The gradient of a bias: the sum of dy over cases and voxels. [C], accumulator type
[[nodiscard]] Tensor channel_sums(const Tensor& dy);

}  // namespace vox
