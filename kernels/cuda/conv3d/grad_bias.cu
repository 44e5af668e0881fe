#include "kernels/cuda/gpu.h"
#include "kernels/plan/gpu.h"

// dbias in two stages. First: thread block = kGradBiasVoxels voxels of one channel block, thread = every 256th pack of
// 16 bytes, so a warp reads 512 bytes in a row; lanes with the same channels are added by shuffles, warps through
// shared memory. Second: thread block = one channel of a case, over all first sums of that channel in a case.

namespace vox {
namespace gpu {

inline constexpr int kBiasThreads = 256;
inline constexpr int kBiasWarps = kBiasThreads / 32;

/// partial[case and block][chunk][8]
template <class T>
__global__ void grad_bias_kernel(const T* dy, Acc<T>* partial, std::int64_t voxels, std::int64_t chunks) {
  wait_for_launches_before();
  constexpr int kLane = kWide<T>;
  constexpr int kPacks = 8 / kLane;  // of one voxel
  VOX_SHARED(Acc<T>, of_warp, [kBiasWarps][8]);
  const int thread = static_cast<int>(threadIdx.x);
  const std::int64_t row = static_cast<std::int64_t>(blockIdx.x) / chunks;
  const std::int64_t first = static_cast<std::int64_t>(blockIdx.x) % chunks * kGradBiasVoxels;
  const std::int64_t left = voxels - first;
  const int packs = static_cast<int>(left < kGradBiasVoxels ? left : kGradBiasVoxels) * kPacks;
  const T* const at = dy + (row * voxels + first) * kBlock8;
  Acc<T> sum[kLane] = {};
  for (int p = thread; p < packs; p += kBiasThreads) {
    const Pack<T, kLane> v = load_pack<kLane>(at + p * kLane);
    VOX_UNROLL
    for (int i = 0; i < kLane; ++i) { sum[i] += load(v.v[i]); }
  }
  VOX_UNROLL
  for (int i = 0; i < kLane; ++i) {
    VOX_UNROLL
    for (int apart = 16; apart >= kPacks; apart /= 2) { sum[i] += __shfl_xor_sync(0xFFFFFFFFU, sum[i], apart); }
  }
  if (thread % 32 < kPacks) {
    VOX_UNROLL
    for (int i = 0; i < kLane; ++i) { of_warp[thread / 32][thread % 32 * kLane + i] = sum[i]; }
  }
  __syncthreads();
  if (thread < 8) {
    Acc<T> total{0};
    for (int w = 0; w < kBiasWarps; ++w) { total += of_warp[w][thread]; }
    partial[static_cast<std::int64_t>(blockIdx.x) * kBlock8 + thread] = total;
  }
}

template <class A>
__global__ void sum_grad_bias_kernel(const A* partial, A* dbias, std::int64_t channels, std::int64_t blocks,
                                     std::int64_t chunks) {
  wait_for_launches_before();
  VOX_SHARED(A, of_thread, [kBiasThreads]);
  const int thread = static_cast<int>(threadIdx.x);
  const std::int64_t channel = blockIdx.x % channels;
  const A* const from =
      partial + (blockIdx.x / channels * blocks + channel / kBlock8) * chunks * kBlock8 + channel % kBlock8;
  A sum{0};
  for (std::int64_t i = thread; i < chunks; i += kBiasThreads) { sum += from[i * kBlock8]; }
  of_thread[thread] = sum;
  for (int half = kBiasThreads / 2; half > 0; half /= 2) {
    __syncthreads();
    if (thread < half) { of_thread[thread] += of_thread[thread + half]; }
  }
  if (thread == 0) { dbias[blockIdx.x] = of_thread[0]; }
}

}  // namespace gpu

template <class T> void conv3d_grad_bias(GpuQueue& q, const Conv3dGradBiasArgs<T>& a) {
  const VolumeShape& s = a.shape;
  const std::int64_t chunks = ceil_div(s.voxels(), kGradBiasVoxels);
  const std::int64_t first_blocks = s.n * s.blocks() * chunks;
  if (a.dbias.empty()) { return; }
  if (first_blocks > 0) {
    VOX_LAUNCH(q, (gpu::grad_bias_kernel<T>), static_cast<unsigned>(first_blocks), gpu::kBiasThreads, 0, a.dy.data(),
               a.scratch.data(), s.voxels(), chunks);
  }
  VOX_LAUNCH(q, (gpu::sum_grad_bias_kernel<Acc<T>>), static_cast<unsigned>(s.n * s.c), gpu::kBiasThreads, 0,
             a.scratch.data(), a.dbias.data(), s.c, s.blocks(), chunks);
}

VOX_INSTANTIATE(GpuQueue, conv3d_grad_bias, Conv3dGradBiasArgs);

}  // namespace vox
