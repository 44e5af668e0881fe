#pragma once

#include "kernels/base/shared_memory.h"
#include "kernels/conv_transpose3d.h"
#include "kernels/cuda/gpu.h"
#include "kernels/plan/gpu.h"

/// What the algorithms of a convolution share: conv3d.cu calls them, one file each defines them.
namespace vox::gpu {

/// Dynamic shared memory that a thread block may have on every GPU; the marches take a KiB for themselves.
inline constexpr int kSharedBytesEverywhere = kSharedEverywhere - 1024;

/// Both directions of a convolution in one shape: correlate reads geometry.x and writes geometry.y, spread the reverse.
template <class T> struct Convolve {
  Conv3dGeometry geometry;
  Conv3dPass pass;
  VolumeParts<const T> in;
  const Acc<T>* weight;  ///< [O,I,K,K,K]
  const T* packed;       ///< the same as tensor_core or gemm reads it, or null: not packed yet
  const Acc<T>* bias;    ///< of the channels of out, or null
  VolumeParts<T> out;
  Conv3dEpilogue epilogue = {};
  BatchNormGradSums<T> gradient = {};
  Acc<T>* scratch;
};

template <class T> void convolve_direct(GpuQueue&, const Convolve<T>&);
template <class T> void convolve_tiled(GpuQueue&, const Convolve<T>&);
template <class T> void convolve_gemm(GpuQueue&, const Convolve<T>&);
void convolve_tensor_core(GpuQueue&, const Convolve<Bf16>&);

template <class T> void grad_weight_direct(GpuQueue&, const Conv3dGradWeightArgs<T>&);
template <class T> void grad_weight_tiled(GpuQueue&, const Conv3dGradWeightArgs<T>&);
template <class T> void grad_weight_gemm(GpuQueue&, const Conv3dGradWeightArgs<T>&);
void grad_weight_tensor_core(GpuQueue&, const Conv3dGradWeightArgs<Bf16>&);

/// Partial weight gradients [cases][shares][out groups][in groups][taps][in_group][out_group], added over the shares in
/// order.
template <class A> struct Partials {
  const A* partial;
  A* dweight;  ///< [cases][out_channels,in_channels,taps]
  int cases;
  int shares;  ///< of a case
  int taps;
  int in_channels;
  int out_channels;
  int in_group;
  int out_group;
  int phase_blocks = 0;  ///< of phases.cuh: channel blocks of a phase; input channels are those of all phases then
};
template <class A> void sum_partials(GpuQueue&, const Partials<A>&);

/// The weight as the kernels see it: rounded to the storage type.
template <class T> [[nodiscard]] __device__ __forceinline__ Acc<T> rounded(Acc<T> weight) {
  return load(store<T>(weight));
}

}  // namespace vox::gpu
