#pragma once

#include <functional>

#include "engine/ops/convolve.h"
#include "engine/ops/normalise.h"

namespace vox {

/// What the layers of convolution, norm and activation in one operator are made of.
struct NormLayer {
  Op op;
  Conv3dGeometry g;
  TensorParts x;
  Tensor weight;
  Tensor gamma;
  Tensor beta;
  Tensor bias = {};  ///< of the convolution: the norm takes it out again, and its gradient is 0. Or undefined
};
/// Checks a, b and weight for op. Where b's blocks begin inside one of a the channels are put together first; g.split
/// says whether b is left.
[[nodiscard]] NormLayer norm_layer(Op, Tensor a, Tensor b, const Tensor& weight, const Conv3dOptions&);

/// Whether a gradient of the layer's result could be asked for.
[[nodiscard]] bool records(const NormLayer&);

/// The norm of the convolution's result y, whose boxes its epilogue made, or are undefined.
using MakeNorm = std::function<Normalisation(const Tensor& y, const Tensor& boxes)>;
/// activation(norm(conv3d(x, weight))), recorded. Releases x as soon as the convolution has read it.
[[nodiscard]] Tensor layer_result(NormLayer, const MakeNorm&);

}  // namespace vox
