#pragma once

#include <type_traits>

#include "kernels/cpu/conv3d/tiled.h"

namespace vox {

/// conv3d 3x3x3 at stride 1 and its adjoint by AMX, and their weight gradient; kernels/plan/amx.h says how. f32
/// and bf16.
template <class T> void convolve_amx(const CpuIsaQueue<Isa::amx>&, const TiledConvArgs<T>&);
template <class T> void conv3d_grad_weight_amx(const CpuIsaQueue<Isa::amx>&, const Conv3dGradWeightArgs<T>&);

/// And what gemm takes (kernels/plan/amx_gemm.h).
template <class T> void convolve_gemm_amx(const CpuIsaQueue<Isa::amx>&, const TiledConvArgs<T>&);
template <class T> void grad_weight_gemm_amx(const CpuIsaQueue<Isa::amx>&, const Conv3dGradWeightArgs<T>&);

#ifdef __AVX512F__
/// Whether the kernels for this queue may hand T to the above: fits() says so on a queue whose isa is amx.
template <class T, class Queue>
inline constexpr bool kTakesAmx = (kLastIsa == Isa::amx) && std::is_same_v<Queue, CpuIsaQueue<Isa::avx512>> &&
                                  !std::is_same_v<T, double>;
#else
template <class T, class Queue> inline constexpr bool kTakesAmx = false;
#endif

}  // namespace vox
