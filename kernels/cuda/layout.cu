#include "kernels/layout.h"

#include "kernels/cuda/chunk.cuh"

namespace vox {
namespace gpu {

/// blocked[n, c/8, v, c%8] = plain[n, c, v], 0 in padding channels: a thread takes one voxel of a block, so that the
/// threads of a warp read each channel's row side by side and write side by side.
template <class T> __global__ void to_blocked_kernel(const T* plain, T* blocked, ChunkGrid grid, int channels) {
  wait_for_launches_before();
  constexpr int kLanes = static_cast<int>(kBlock8);
  const Chunk chunk = this_chunk(grid);
  const int present = channels_in(channels, chunk.block);
  const std::int64_t row = static_cast<std::int64_t>(chunk.n) * channels + chunk.block * kLanes;
  const T* const from = plain + row * grid.voxels + chunk.voxel;
  for (int v = static_cast<int>(threadIdx.x); v < chunk.voxels; v += kChunkThreads) {
    Pack<T, kLanes> voxel;
    VOX_UNROLL
    for (int c = 0; c < kLanes; ++c) { voxel.v[c] = c < present ? from[c * grid.voxels + v] : T{}; }
    store_whole(blocked + chunk.at + v * kLanes, voxel);
  }
}

/// plain[n, c, v] = blocked[n, c/8, v, c%8], the way back.
template <class T> __global__ void to_plain_kernel(const T* blocked, T* plain, ChunkGrid grid, int channels) {
  wait_for_launches_before();
  constexpr int kLanes = static_cast<int>(kBlock8);
  const Chunk chunk = this_chunk(grid);
  const int present = channels_in(channels, chunk.block);
  const std::int64_t row = static_cast<std::int64_t>(chunk.n) * channels + chunk.block * kLanes;
  T* const to = plain + row * grid.voxels + chunk.voxel;
  for (int v = static_cast<int>(threadIdx.x); v < chunk.voxels; v += kChunkThreads) {
    const Pack<T, kLanes> voxel = load_pack<kLanes>(blocked + chunk.at + v * kLanes);
    VOX_UNROLL
    for (int c = 0; c < kLanes; ++c) {
      if (c < present) { to[c * grid.voxels + v] = voxel.v[c]; }
    }
  }
}

}  // namespace gpu

template <class T> void to_blocked(GpuQueue& q, const ToBlockedArgs<T>& a) {
  const gpu::ChunkGrid grid = gpu::block_grid(a.shape);
  VOX_LAUNCH(q, (gpu::to_blocked_kernel<T>), grid.count, gpu::kChunkThreads, 0, a.plain.data(), a.blocked.data(), grid,
             static_cast<int>(a.shape.c));
}

template <class T> void to_plain(GpuQueue& q, const ToPlainArgs<T>& a) {
  const gpu::ChunkGrid grid = gpu::block_grid(a.shape);
  VOX_LAUNCH(q, (gpu::to_plain_kernel<T>), grid.count, gpu::kChunkThreads, 0, a.blocked.data(), a.plain.data(), grid,
             static_cast<int>(a.shape.c));
}

VOX_INSTANTIATE(GpuQueue, to_blocked, ToBlockedArgs);
VOX_INSTANTIATE(GpuQueue, to_plain, ToPlainArgs);

}  // namespace vox
