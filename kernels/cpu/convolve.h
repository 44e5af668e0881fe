#pragma once

#include "kernels/cpu/amx/convolve.h"
#include "kernels/cpu/conv3d/gemm.h"
#include "kernels/cpu/winograd/convolve.h"

namespace vox {
namespace {

/// conv3d, or its adjoint, by any algorithm but the direct one.
template <class T> void convolve(IsaQueue& q, Conv3dAlgorithm algorithm, const TiledConvArgs<T>& a) {
  if (algorithm == Conv3dAlgorithm::gemm) { return convolve_gemm(q, a); }
  if (algorithm == Conv3dAlgorithm::winograd) {
    return convolve_winograd(q, winograd_plan(a.geometry, a.pass, q.threads), a);
  }
  if constexpr (kTakesAmx<T, IsaQueue>) {
    if (algorithm == Conv3dAlgorithm::amx) {
      const CpuIsaQueue<Isa::amx> amx{q.threads};
      return gemm_takes(a.geometry) ? convolve_gemm_amx(amx, a) : convolve_amx(amx, a);
    }
  }
  convolve_tiled(q, a);
}

}  // namespace
}  // namespace vox
