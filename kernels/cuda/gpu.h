#pragma once

/// What a kernel source includes. nvcc sees CUDA; any other compiler sees kernels/simt, which executes the same source
/// on the CPU. A source that keeps to the names below and to those of CUDA C++ is both.
///
///   VOX_SHARED(T, name, [a][b]);           a block's shared array
///   VOX_DYNAMIC_SHARED(T, name);           the bytes asked for at the launch
///   VOX_UNROLL, VOX_NO_UNROLL              before a loop: unroll it, or keep it small
///   VOX_LAUNCH(queue, (kernel<T>), grid, block, shared_bytes, arguments...)   the only way to launch
///   gpu::cp_async, gpu::ldmatrix_x4, gpu::mma_m16n8k16_bf16, ...              what has no spelling in C++ (ptx.h)
///
/// Kernels stand in namespace vox::gpu, never in an anonymous one: their names are how the two compilations meet.
/// (In a build with both the build calls nvcc's namespace cuda_gpu, or the linker would take a stub for the other's
/// body.)

#ifdef __CUDACC__
#include <cuda_runtime.h>

#include "kernels/cuda/launch.h"
#include "kernels/cuda/ptx.h"
#include "kernels/queue.h"

#define VOX_UNROLL _Pragma("unroll")
#define VOX_NO_UNROLL _Pragma("unroll 1")
#define VOX_SHARED(T, name, extents) __shared__ __align__(16) T name extents
#define VOX_DYNAMIC_SHARED(T, name)                                      \
  extern __shared__ __align__(1024) unsigned char vox_dynamic_shared_[]; \
  T* name = reinterpret_cast<T*>(vox_dynamic_shared_)

namespace vox {
using GpuQueue = CudaQueue;  ///< what a kernel source defines its launchers for
namespace gpu {

template <class... P, class... A>
void launch(const CudaQueue& q, const char* name, const char* file, int line, void (*kernel)(P...), dim3 grid,
            dim3 block, std::size_t shared_bytes, A... a) {
  constexpr std::size_t kWithoutAsking = 48 * 1024;
  cudaError_t code = cudaSuccess;
  if (shared_bytes > kWithoutAsking) {
    code = cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, static_cast<int>(shared_bytes));
  }
  if (code == cudaSuccess) {
    kernel<<<grid, block, shared_bytes, q.stream>>>(static_cast<P>(a)...);
    code = cudaGetLastError();
  }
  if (code != cudaSuccess) { launch_failed(name, file, line, grid, block, shared_bytes, code); }
}

}  // namespace gpu
}  // namespace vox
#else
#include "kernels/queue.h"
#include "kernels/simt/cuda.h"
namespace vox {
using GpuQueue = SimtQueue;
}
#endif

#define VOX_LAUNCH(queue, kernel, grid, block, shared_bytes, ...) \
  ::vox::gpu::launch(queue, #kernel, __FILE__, __LINE__, kernel, grid, block, shared_bytes, __VA_ARGS__)

#include "kernels/bf16.h"

namespace vox::gpu {

/// Neighbouring values that move as one: 16 bytes is the widest load and store.
template <class T, int N> struct alignas(sizeof(T) * N) Pack { T v[N]; };
template <class T> inline constexpr int kWide = 16 / static_cast<int>(sizeof(T));

template <int N, class T> __device__ __forceinline__ Pack<T, N> load_pack(const T* p) {
  return *reinterpret_cast<const Pack<T, N>*>(p);
}
template <class T, int N> __device__ __forceinline__ void store_pack(T* p, const Pack<T, N>& v) {
  *reinterpret_cast<Pack<T, N>*>(p) = v;
}

/// Blocks of a one-dimensional grid that gives each of `items` a thread.
[[nodiscard]] inline unsigned blocks_for(std::int64_t items, int threads) {
  return static_cast<unsigned>((items + threads - 1) / threads);
}

}  // namespace vox::gpu
