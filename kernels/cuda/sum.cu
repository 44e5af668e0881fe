#include "kernels/sum.h"

#include "kernels/cuda/reduce.cuh"

namespace vox {
namespace gpu {

inline constexpr int kSumThreads = 256;

/// partials[i] = sum of chunk i: each thread adds its values up in the accumulator type, 16 bytes at a time, the
/// threads' sums are added in double.
template <class T> __global__ void chunk_sums_kernel(const T* x, std::int64_t count, double* partials) {
  wait_for_launches_before();
  constexpr int kLane = kWide<T>;
  const std::int64_t first = static_cast<std::int64_t>(blockIdx.x) * kSumChunk;
  const int size = static_cast<int>(count - first < kSumChunk ? count - first : kSumChunk);
  const T* const chunk = x + first;
  Acc<T> sum = 0;
  for (int e = static_cast<int>(threadIdx.x) * kLane; e < size; e += kSumThreads * kLane) {
    if (e + kLane <= size) {
      const Pack<T, kLane> v = load_pack<kLane>(chunk + e);
      VOX_UNROLL
      for (int i = 0; i < kLane; ++i) { sum += load(v.v[i]); }
    } else {
      for (int i = e; i < size; ++i) { sum += load(chunk[i]); }
    }
  }
  double total[1] = {static_cast<double>(sum)};
  block_sum(total);
  if (threadIdx.x == 0) { partials[blockIdx.x] = total[0]; }
}

/// dx[e] = factor * dy[0]
template <class T> __global__ void spread_kernel(const Acc<T>* dy, double factor, T* dx, std::int64_t count) {
  wait_for_launches_before();
  constexpr int kLane = kWide<T>;
  const T value = store<T>(static_cast<Acc<T>>(factor * static_cast<double>(dy[0])));
  const std::int64_t first = (static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x) * kLane;
  if (first + kLane <= count) {
    Pack<T, kLane> v;
    VOX_UNROLL
    for (int i = 0; i < kLane; ++i) { v.v[i] = value; }
    store_pack(dx + first, v);
  } else {
    for (std::int64_t e = first; e < count; ++e) { dx[e] = value; }
  }
}

/// The same for a blocked dx: 0 in padding channels.
template <class T>
__global__ void spread_blocked_kernel(const Acc<T>* dy, double factor, T* dx, ChunkGrid grid, int channels) {
  wait_for_launches_before();
  constexpr int kLane = kWide<T>;
  const T value = store<T>(static_cast<Acc<T>>(factor * static_cast<double>(dy[0])));
  const Chunk chunk = this_chunk(grid);
  const int present = channels_in(channels, chunk.block);
  const int lane = static_cast<int>(threadIdx.x) * kLane % static_cast<int>(kBlock8);
  Pack<T, kLane> v;
  VOX_UNROLL
  for (int i = 0; i < kLane; ++i) { v.v[i] = lane + i < present ? value : T{}; }
  for (int i = static_cast<int>(threadIdx.x); i < chunk.voxels * kPieces<T>; i += kChunkThreads) {
    store_whole(dx + chunk.at + i * kLane, v);
  }
}

}  // namespace gpu

template <class T> void sum_forward(GpuQueue& q, const SumArgs<T>& a) {
  const std::int64_t chunks = std::ssize(a.partials);
  if (chunks > 0) {
    VOX_LAUNCH(q, (gpu::chunk_sums_kernel<T>), static_cast<unsigned>(chunks), gpu::kSumThreads, 0, a.x.data(),
               std::ssize(a.x), a.partials.data());
  }
  VOX_LAUNCH(q, (gpu::sum_of_chunks_kernel<Acc<T>>), 1, gpu::kChunkThreads, 0, a.partials.data(), chunks, a.factor,
             a.y.data());
}

template <class T> void sum_backward(GpuQueue& q, const SumGradArgs<T>& a) {
  if (a.dx.empty()) { return; }
  if (a.shape.n == 0) {
    const std::int64_t count = std::ssize(a.dx);
    VOX_LAUNCH(q, (gpu::spread_kernel<T>),
               gpu::blocks_for((count + gpu::kWide<T> - 1) / gpu::kWide<T>, gpu::kSumThreads), gpu::kSumThreads, 0,
               a.dy.data(), a.factor, a.dx.data(), count);
    return;
  }
  const gpu::ChunkGrid grid = gpu::block_grid(a.shape);
  VOX_LAUNCH(q, (gpu::spread_blocked_kernel<T>), grid.count, gpu::kChunkThreads, 0, a.dy.data(), a.factor, a.dx.data(),
             grid, static_cast<int>(a.shape.c));
}

VOX_INSTANTIATE(GpuQueue, sum_forward, SumArgs);
VOX_INSTANTIATE(GpuQueue, sum_backward, SumGradArgs);

}  // namespace vox
