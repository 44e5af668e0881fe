#include "kernels/cuda/conv3d/conv3d.cuh"

#include <type_traits>

namespace vox {
namespace gpu {

/// Calls the algorithm; bf16 alone has tensor cores, and conv3d's fits() never asks for them elsewhere.
template <class T> void convolve(GpuQueue& q, Conv3dAlgorithm algorithm, const Convolve<T>& a) {
  const VolumeShape& out = a.pass == Conv3dPass::spread ? a.geometry.x : a.geometry.y;
  if (out.padded_count() == 0) { return; }
  if constexpr (std::is_same_v<T, Bf16>) {
    if (algorithm == Conv3dAlgorithm::tensor_core) { return convolve_tensor_core(q, a); }
  }
  if (algorithm == Conv3dAlgorithm::gemm) { return convolve_gemm(q, a); }
  if (algorithm == Conv3dAlgorithm::tiled) { return convolve_tiled(q, a); }
  convolve_direct(q, a);
}

}  // namespace gpu

template <class T> void conv3d_forward(GpuQueue& q, const Conv3dArgs<T>& a) {
  gpu::convolve(q, a.algorithm,
                gpu::Convolve<T>{.geometry = a.geometry,
                                 .pass = Conv3dPass::correlate,
                                 .in = x_side(a.geometry, a.x, a.x2),
                                 .weight = a.weight.data(),
                                 .packed = a.packed.empty() ? nullptr : a.packed.data(),
                                 .bias = a.bias.data(),
                                 .out = y_side(a.geometry, a.y),
                                 .epilogue = a.epilogue,
                                 .scratch = a.scratch.data()});
}

template <class T> void conv_transpose3d_forward(GpuQueue& q, const ConvTranspose3dArgs<T>& a) {
  gpu::convolve(q, a.algorithm,
                gpu::Convolve<T>{.geometry = a.geometry,
                                 .pass = Conv3dPass::spread,
                                 .in = y_side(a.geometry, a.x),
                                 .weight = a.weight.data(),
                                 .packed = a.packed.empty() ? nullptr : a.packed.data(),
                                 .bias = a.bias.data(),
                                 .out = x_side(a.geometry, a.y, a.y2),
                                 .gradient = a.gradient,
                                 .scratch = a.scratch.data()});
}

template <class T> void conv3d_grad_weight(GpuQueue& q, const Conv3dGradWeightArgs<T>& a) {
  if (a.dweight.empty()) { return; }
  if constexpr (std::is_same_v<T, Bf16>) {
    if (a.algorithm == Conv3dAlgorithm::tensor_core) { return gpu::grad_weight_tensor_core(q, a); }
  }
  if (a.algorithm == Conv3dAlgorithm::gemm) { return gpu::grad_weight_gemm(q, a); }
  if (a.algorithm == Conv3dAlgorithm::tiled) { return gpu::grad_weight_tiled(q, a); }
  gpu::grad_weight_direct(q, a);
}

VOX_INSTANTIATE(GpuQueue, conv3d_forward, Conv3dArgs);
VOX_INSTANTIATE(GpuQueue, conv_transpose3d_forward, ConvTranspose3dArgs);
VOX_INSTANTIATE(GpuQueue, conv3d_grad_weight, Conv3dGradWeightArgs);

}  // namespace vox
