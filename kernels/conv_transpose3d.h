#pragma once

#include "kernels/batch_norm.h"
#include "kernels/conv3d.h"

namespace vox {

/// The adjoint of conv3d, which is PyTorch's ConvTranspose3d and the gradient of conv3d with respect to its input:
///   y[n,o,p*stride-padding+k] += x[n,i,p] * weight[i,o,k], plus bias[o].
/// The names are those of the transposed convolution; the geometry is that of the conv3d it is the adjoint of, so x has
/// the extents geometry.y, y has geometry.x, and the weight lies exactly as that conv3d's. The gradients are conv3d's
/// kernels: dx = conv3d_forward(dy), dweight = conv3d_grad_weight with dy as its x and x as its dy.
template <class T> struct ConvTranspose3dArgs {
  Conv3dGeometry geometry;
  Conv3dAlgorithm algorithm;
  std::span<const T> x;            ///< a volume batch of shape geometry.y
  std::span<const Acc<T>> weight;  ///< [I,O,K,K,K], rounded to T before use
  std::span<const T> packed = {};  ///< what conv3d_pack() made of the weight for tensor_core or gemm; or empty
  std::span<const Acc<T>> bias;    ///< [O], or empty
  std::span<T> y;        ///< a volume batch of shape geometry.x, overwritten; where that is split, its first part
  std::span<T> y2 = {};  ///< and here the other, overwritten
  BatchNormGradSums<T> gradient =
      {};                     ///< y is a gradient of whose batch norm these are taken; wants conv_transpose3d_boxes()
  std::span<Acc<T>> scratch;  ///< conv_transpose3d_scratch() elements
};

VOX_KERNEL(conv_transpose3d_forward, ConvTranspose3dArgs);

/// Boxes of y whose ConvTranspose3dArgs::gradient the algorithm takes apart: a function of the geometry alone; 0: it
/// takes none.
[[nodiscard]] constexpr std::int64_t conv_transpose3d_boxes(const CpuQueue&, const Conv3dGeometry&, Conv3dAlgorithm) {
  return 0;
}
[[nodiscard]] std::int64_t conv_transpose3d_boxes(const DeviceQueue&, const Conv3dGeometry&, Conv3dAlgorithm);

/// Elements of scratch, in the accumulator type.
[[nodiscard]] std::int64_t conv_transpose3d_scratch(const CpuQueue&, const Conv3dGeometry&, Conv3dAlgorithm);
[[nodiscard]] std::int64_t conv_transpose3d_scratch(const DeviceQueue&, const Conv3dGeometry&, Conv3dAlgorithm);

}  // namespace vox
