#pragma once

/// What a kernel source includes. nvcc sees CUDA; any other compiler sees kernels/simt, which executes the same source
/// on the CPU. A source that keeps to the names below and to those of CUDA C++ is both.
///
///   VOX_SHARED(T, name, [a][b]);           a block's shared array
///   VOX_DYNAMIC_SHARED(T, name);           the bytes asked for at the launch
///   VOX_UNROLL, VOX_NO_UNROLL              before a loop: unroll it, or keep it small
///   VOX_LAUNCH(queue, (kernel<T>), grid, block, shared_bytes, arguments...)   the only way to launch; and
///   VOX_LAUNCH_ALONE(...)                  for less than a full GPU of long thread blocks
///   gpu::cp_async, gpu::ldmatrix_x4, gpu::mma_m16n8k16_bf16, ...              what has no spelling in C++ (ptx.h)
///
/// Kernels stand in namespace vox::gpu, never in an anonymous one: their names are how the two compilations meet.
/// (In a build with both the build calls nvcc's namespace cuda_gpu, or the linker would take a stub for the other's
/// body.)

#ifdef __CUDACC__
#include <cuda_runtime.h>

#include "kernels/base/queue.h"
#include "kernels/cuda/launch.h"
#include "kernels/cuda/ptx.h"

#define VOX_UNROLL _Pragma("unroll")
#define VOX_NO_UNROLL _Pragma("unroll 1")
#define VOX_SHARED(T, name, extents) __shared__ __align__(16) T name extents
#define VOX_DYNAMIC_SHARED(T, name)                                     \
  extern __shared__ __align__(128) unsigned char vox_dynamic_shared_[]; \
  T* name = reinterpret_cast<T*>(vox_dynamic_shared_)

namespace vox {
using GpuQueue = CudaQueue;  ///< what a kernel source defines its launchers for
}  // namespace vox
#else
#include "kernels/base/queue.h"
#include "kernels/simt/cuda.h"
namespace vox {
using GpuQueue = SimtQueue;
}
#endif

/// OVERLAPS: the kernel may begin while the one before it in the stream still runs.
#ifdef __CUDACC__
#define VOX_LAUNCH_AS(overlaps, queue, kernel, grid, block, shared_bytes, ...) \
  ::vox::gpu::launch<overlaps>(queue, #kernel, __FILE__, __LINE__, kernel, grid, block, shared_bytes, __VA_ARGS__)
#else
#define VOX_LAUNCH_AS(overlaps, queue, kernel, grid, block, shared_bytes, ...) \
  ::vox::gpu::launch(queue, #kernel, __FILE__, __LINE__, kernel, grid, block, shared_bytes, __VA_ARGS__)
#endif
#define VOX_LAUNCH(queue, kernel, grid, block, shared_bytes, ...) \
  VOX_LAUNCH_AS(true, queue, kernel, grid, block, shared_bytes, __VA_ARGS__)
/// For a kernel that has fewer thread blocks than the GPU has room for: those that come early would crowd where the
/// kernel before has left, and the multiprocessors that come free last would get none.
#define VOX_LAUNCH_ALONE(queue, kernel, grid, block, shared_bytes, ...) \
  VOX_LAUNCH_AS(false, queue, kernel, grid, block, shared_bytes, __VA_ARGS__)

#include "kernels/base/bf16.h"

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

/// 16 bytes as they come from memory: in whole registers, of which two bf16 are taken by two instructions.
using Words = Pack<std::uint32_t, 4>;
template <class T> __device__ __forceinline__ Words load_words(const T* p) {
  return std::bit_cast<Words>(load_pack<kWide<T>>(p));
}

/// The values of 16 bytes in the type that is computed in.
template <class T> __device__ __forceinline__ void unpack(const Words& from, Acc<T> (&v)[kWide<T>]) {
  if constexpr (requires(T x) { x.bits; }) {
    VOX_UNROLL
    for (int i = 0; i < 4; ++i) {
      v[2 * i] = std::bit_cast<float>(from.v[i] << 16U);
      v[2 * i + 1] = std::bit_cast<float>(from.v[i] & 0xFFFF0000U);
    }
  } else {
    const auto values = std::bit_cast<Pack<T, kWide<T>>>(from);
    VOX_UNROLL
    for (int i = 0; i < kWide<T>; ++i) { v[i] = values.v[i]; }
  }
}

/// Eight floats as bf16, two by one instruction, and 16 bytes by one. A NaN becomes 0x7FFF.
__device__ __forceinline__ void pack_bf16(const float (&v)[8], std::uint32_t (&words)[4]) {
  VOX_UNROLL
  for (int i = 0; i < 4; ++i) { words[i] = bf16x2_rn(v[2 * i], v[2 * i + 1]); }
}
/// p[0 ... 16/sizeof(T)) = v, rounded to T: one store. p is a multiple of 16 bytes, in global memory.
template <class T> __device__ __forceinline__ void store_wide(T* p, const Acc<T> (&v)[kWide<T>]) {
  std::uint32_t words[4];
  if constexpr (requires { p->bits; }) {
    pack_bf16(v, words);
  } else if constexpr (sizeof(T) == sizeof(std::uint32_t)) {
    VOX_UNROLL
    for (int i = 0; i < 4; ++i) { words[i] = std::bit_cast<std::uint32_t>(v[i]); }
  } else {
    VOX_UNROLL
    for (int i = 0; i < 2; ++i) {
      const auto bits = std::bit_cast<std::uint64_t>(v[i]);
      words[2 * i] = static_cast<std::uint32_t>(bits);
      words[2 * i + 1] = static_cast<std::uint32_t>(bits >> 32U);
    }
  }
  store_global_16(p, words);
}

/// Values that are in T already, by as many stores of 16 bytes. p is a multiple of 16 bytes, in global memory.
template <class T, int N> __device__ __forceinline__ void store_whole(T* p, const Pack<T, N>& v) {
  static_assert(sizeof v % sizeof(Words) == 0);
  const auto pieces = std::bit_cast<Pack<Words, static_cast<int>(sizeof v / sizeof(Words))>>(v);
  VOX_UNROLL
  for (int i = 0; i < static_cast<int>(sizeof v / sizeof(Words)); ++i) {
    store_global_16(p + i * kWide<T>, pieces.v[i].v);
  }
}

/// Blocks of a one-dimensional grid that gives each of `items` a thread.
[[nodiscard]] inline unsigned blocks_for(std::int64_t items, int threads) {
  return static_cast<unsigned>((items + threads - 1) / threads);
}

}  // namespace vox::gpu
