#pragma once

#include <cstdint>
#include <span>

#include "kernels/base/bf16.h"
#include "kernels/base/queue.h"
#include "kernels/base/volume.h"
#include "kernels/base/volume_parts.h"

namespace vox {

/// Sizes of one cross-correlation (PyTorch's Conv3d) and, read backwards, of one transposed convolution:
///   y[n,o,p] = bias[o] + sum over i,k of x[n,i,p*stride-padding+k] * weight[o,i,k],   x is zero outside its extents.
struct Conv3dGeometry {
  VolumeShape x;             ///< [N,I,D,H,W]: the side whose voxels are `stride` times finer
  VolumeShape y;             ///< [N,O,D',H',W']
  std::int64_t kernel = 1;   ///< K of [K,K,K]
  std::int64_t stride = 1;   ///< on all three axes
  std::int64_t padding = 0;  ///< zeros on each side of x
  std::int64_t split = 0;  ///< channels of x in a first tensor, the others in a second; a multiple of 8. 0: one tensor
};

/// The geometry of conv3d on x; extents of y: floor((in + 2*padding - kernel) / stride) + 1, 0 or less if none fits.
[[nodiscard]] Conv3dGeometry conv3d_geometry(const VolumeShape& x, std::int64_t out_channels, std::int64_t kernel,
                                             std::int64_t stride, std::int64_t padding);
/// The geometry of conv_transpose3d on `in`, which is its y; extents of its x: (in-1)*stride - 2*padding + kernel +
/// output_padding.
[[nodiscard]] Conv3dGeometry conv_transpose3d_geometry(const VolumeShape& in, std::int64_t out_channels,
                                                       std::int64_t kernel, std::int64_t stride, std::int64_t padding,
                                                       std::int64_t output_padding);

/// What a convolution kernel does with a geometry.
enum class Conv3dPass : std::uint8_t {
  correlate,   ///< conv3d forward: gathers x, writes y
  spread,      ///< its adjoint: gathers y, writes x
  grad_weight  ///< gathers x, reads y
};

/// Ways to convolve, fastest first. The last takes any geometry and is what the others are tested against.
enum class Conv3dAlgorithm : std::uint8_t {
  amx,          ///< CPU with AMX, f32 and bf16: tiles multiplied by its matrix unit (kernels/plan/amx.h)
  tensor_core,  ///< GPU, bf16: tiles of voxels and channels multiplied by the tensor cores
  gemm,         ///< one matrix product where no two windows overlap (kernel = stride, or kernel 1)
  winograd,     ///< CPU, kernel 3, stride 1: 27 multiplications become 3.4 or 8 (kernels/plan/winograd.h)
  tiled,        ///< tiles of voxels with their halo, register tiles of voxels by channels
  direct,       ///< the definition, loop by loop
  count_
};
[[nodiscard]] const char* name(Conv3dAlgorithm);  ///< as it is spelled here: "tensor_core"
template <class T> [[nodiscard]] bool fits(const CpuQueue&, Conv3dAlgorithm, Conv3dPass, const Conv3dGeometry&);
template <class T> [[nodiscard]] bool fits(const DeviceQueue&, Conv3dAlgorithm, Conv3dPass, const Conv3dGeometry&);
/// Whether choose() takes an algorithm that fits: Winograd's only where it is faster, or where the queue wants it; what
/// the queue's ConvChoice leaves out, never.
template <class T> [[nodiscard]] bool suits(const CpuQueue&, Conv3dAlgorithm, Conv3dPass, const Conv3dGeometry&);
template <class T>
[[nodiscard]] bool suits(const DeviceQueue& q, Conv3dAlgorithm a, Conv3dPass, const Conv3dGeometry&) {
  if (q.conv == ConvChoice::definition) { return a == Conv3dAlgorithm::direct; }
  return q.conv != ConvChoice::direct || a != Conv3dAlgorithm::tensor_core;
}
/// The first that fits and suits: a pure function of the geometry, the pass and the storage type, and of the
/// queue's ConvChoice.
template <class T, class Queue>
[[nodiscard]] Conv3dAlgorithm choose(const Queue& q, Conv3dPass pass, const Conv3dGeometry& g) {
  auto a = Conv3dAlgorithm::amx;
  while (a != Conv3dAlgorithm::direct && !(fits<T>(q, a, pass, g) && suits<T>(q, a, pass, g))) {
    a = static_cast<Conv3dAlgorithm>(static_cast<std::uint8_t>(a) + 1);
  }
  return a;
}

/// What a convolution does to a box of y while that is in cache. Algorithms without boxes (conv3d_boxes() is 0) ignore
/// it.
struct Conv3dEpilogue {
  bool relu = false;  ///< y = max(y, 0), NaN stays NaN
  /// Overwritten with [blocks of y][conv3d_boxes()][kBoxMoments]; empty: not wanted. Boxes of a case are neighbours, as
  /// many of each case.
  std::span<double> moments = {};
};
/// Moments of a box in a block of channels, lane by lane: the number of voxels, their mean, and the sum of the squared
/// distances from it.
inline constexpr std::int64_t kBoxMoments = 3 * kBlock8;

/// y of Conv3dGeometry's formula.
template <class T> struct Conv3dArgs {
  Conv3dGeometry geometry;
  Conv3dAlgorithm algorithm;
  std::span<const T> x;            ///< [N,ceil(I/8),D,H,W,8]; where the geometry is split, I is split
  std::span<const T> x2 = {};      ///< the other channels of x where the geometry is split
  std::span<const Acc<T>> weight;  ///< [O,I,K,K,K], rounded to T before use
  std::span<const T> packed = {};  ///< what conv3d_pack() made of the weight for tensor_core or gemm; or empty
  std::span<const Acc<T>> bias;    ///< [O], or empty
  std::span<T> y;                  ///< [N,ceil(O/8),D',H',W',8], overwritten
  Conv3dEpilogue epilogue = {};
  std::span<Acc<T>> scratch;  ///< conv3d_forward_scratch() elements
};

/// dweight[n,o,i,k] = sum over p of dy[n,o,p] * x[n,i,p*stride-padding+k], in a fixed order that the other cases have
/// no part in but for the size of the whole batch (VolumeShape::batch). The cases are added up by kernels/sum_rows.h.
template <class T> struct Conv3dGradWeightArgs {
  Conv3dGeometry geometry;
  Conv3dAlgorithm algorithm;
  std::span<const T> x;        ///< [N,ceil(I/8),D,H,W,8]; where the geometry is split, I is split
  std::span<const T> x2 = {};  ///< the other channels of x where the geometry is split
  std::span<const T> dy;       ///< [N,ceil(O/8),D',H',W',8]
  std::span<Acc<T>> dweight;   ///< [N,O,I,K,K,K], overwritten
  // Where conv3d_grad_weight_sums(): the sums over p of each channel, overwritten; empty: not wanted.
  std::span<Acc<T>> x_sums = {};   ///< [N,I]
  std::span<Acc<T>> dy_sums = {};  ///< [N,O]
  std::span<Acc<T>> scratch;       ///< conv3d_grad_weight_scratch() elements
};

/// dbias[n,c] = sum over p of dy[n,c,p], in a fixed order.
template <class T> struct Conv3dGradBiasArgs {
  VolumeShape shape;          ///< of dy
  std::span<const T> dy;      ///< [N,ceil(C/8),D,H,W,8]
  std::span<Acc<T>> dbias;    ///< [N,C], overwritten
  std::span<Acc<T>> scratch;  ///< conv3d_grad_bias_scratch() elements
};

VOX_KERNEL(conv3d_forward, Conv3dArgs);
VOX_KERNEL(conv3d_grad_weight, Conv3dGradWeightArgs);
VOX_KERNEL(conv3d_grad_bias, Conv3dGradBiasArgs);

/// Where the two sides of a geometry lie in memory.
template <class E> [[nodiscard]] VolumeParts<E> x_side(const Conv3dGeometry& g, std::span<E> x, std::span<E> x2) {
  return volume_parts(g.x, g.split, x.data(), x2.data());
}
template <class E> [[nodiscard]] VolumeParts<E> y_side(const Conv3dGeometry& g, std::span<E> y) {
  return volume_parts<E>(g.y, 0, y.data(), nullptr);
}

/// Boxes of y, per block of its channels, whose moments the algorithm takes apart: a function of the geometry and the
/// storage type, whatever the threads; 0: it has no epilogue.
template <class T> [[nodiscard]] std::int64_t conv3d_boxes(const CpuQueue&, const Conv3dGeometry&, Conv3dAlgorithm);
template <class T> [[nodiscard]] std::int64_t conv3d_boxes(const DeviceQueue&, const Conv3dGeometry&, Conv3dAlgorithm);

/// Whether the algorithm fills x_sums and dy_sums of a weight gradient.
[[nodiscard]] bool conv3d_grad_weight_sums(const CpuQueue&, const Conv3dGeometry&, Conv3dAlgorithm);
[[nodiscard]] bool conv3d_grad_weight_sums(const DeviceQueue&, const Conv3dGeometry&, Conv3dAlgorithm);

/// Elements of scratch, in the accumulator type, that each kernel needs on this queue.
[[nodiscard]] std::int64_t conv3d_forward_scratch(const CpuQueue&, const Conv3dGeometry&, Conv3dAlgorithm);
[[nodiscard]] std::int64_t conv3d_grad_weight_scratch(const CpuQueue&, const Conv3dGeometry&, Conv3dAlgorithm);
[[nodiscard]] std::int64_t conv3d_grad_bias_scratch(const CpuQueue&, const VolumeShape& dy);
[[nodiscard]] std::int64_t conv3d_forward_scratch(const DeviceQueue&, const Conv3dGeometry&, Conv3dAlgorithm);
[[nodiscard]] std::int64_t conv3d_grad_weight_scratch(const DeviceQueue&, const Conv3dGeometry&, Conv3dAlgorithm);
[[nodiscard]] std::int64_t conv3d_grad_bias_scratch(const DeviceQueue&, const VolumeShape& dy);

}  // namespace vox
