#pragma once

#include <cstdint>

#include "kernels/cuda/chunk.cuh"

/// Sums in a fixed order. Each function has shared memory of its own: a barrier stands between two calls of one, but
/// where it says otherwise.
namespace vox::gpu {

inline constexpr unsigned kWholeWarp = 0xFFFFFFFFU;
inline constexpr int kWarp = 32;

/// Adds up v over the threads of a block of whole warps; thread 0 has the sums.
template <int K> __device__ __forceinline__ void block_sum(double (&v)[K]) {
  VOX_SHARED(double, of_warps, [K][kWarp]);
  VOX_UNROLL
  for (int k = 0; k < K; ++k) {
    VOX_UNROLL
    for (unsigned step = kWarp / 2; step > 0; step /= 2) { v[k] += __shfl_down_sync(kWholeWarp, v[k], step); }
    if (threadIdx.x % kWarp == 0) { of_warps[k][threadIdx.x / kWarp] = v[k]; }
  }
  __syncthreads();
  if (threadIdx.x != 0) { return; }
  VOX_UNROLL
  for (int k = 0; k < K; ++k) {
    for (unsigned w = 1; w < blockDim.x / kWarp; ++w) { v[k] += of_warps[k][w]; }
  }
}

/// y[0] = factor * sum of the partials, by one block of kChunkThreads.
template <class A>
__global__ void sum_of_chunks_kernel(const double* partials, std::int64_t count, double factor, A* y) {
  wait_for_launches_before();
  double total[1] = {0};
  for (std::int64_t i = threadIdx.x; i < count; i += kChunkThreads) { total[0] += partials[i]; }
  block_sum(total);
  if (threadIdx.x == 0) { y[0] = static_cast<A>(factor * total[0]); }
}

/// Adds up K sums per lane of a block of channels over the kChunkThreads threads of a block. Thread t brings the sums
/// of W lanes from t * W % 8 on. Threads 0 ... 8*K-1 get, in double, sum t / 8 of lane t % 8. No barrier is needed
/// between two calls.
template <class A, int K, int W> __device__ __forceinline__ double lane_sums(const A (&v)[K][W]) {
  constexpr int kLanes = static_cast<int>(kBlock8);
  constexpr int kRows = kChunkThreads * W / kLanes;  // threads that bring the same lane
  constexpr int kReaders = kChunkThreads / kLanes;   // threads that add up the same lane
  constexpr int kWarps = kChunkThreads / kWarp;
  constexpr int kStore = kWide<A>;
  VOX_SHARED(A, rows, [K][kRows * kLanes]);
  VOX_SHARED(double, of_warps, [kWarps][K * kLanes]);
  const int t = static_cast<int>(threadIdx.x);
  VOX_UNROLL
  for (int k = 0; k < K; ++k) {
    VOX_UNROLL
    for (int i = 0; i < W; i += kStore) {
      Pack<A, kStore> part;
      VOX_UNROLL
      for (int j = 0; j < kStore; ++j) { part.v[j] = v[k][i + j]; }
      store_pack(rows[k] + t * W + i, part);
    }
  }
  __syncthreads();
  VOX_UNROLL
  for (int k = 0; k < K; ++k) {
    A sum = 0;
    VOX_UNROLL
    for (int row = 0; row < kRows / kReaders; ++row) { sum += rows[k][row * kChunkThreads + t]; }
    sum += __shfl_xor_sync(kWholeWarp, sum, 16);
    sum += __shfl_xor_sync(kWholeWarp, sum, 8);
    if (t % kWarp < kLanes) { of_warps[t / kWarp][k * kLanes + t % kWarp] = static_cast<double>(sum); }
  }
  __syncthreads();
  double sum = 0;
  if (t < K * kLanes) {
    VOX_UNROLL
    for (int w = 0; w < kWarps; ++w) { sum += of_warps[w][t]; }
  }
  return sum;
}

/// The second stage: chunks' partial sums [chunk][K][8] of one block of channels, over some cases.
struct LanePartials {
  const double* of_chunks;
  ChunkGrid grid;
  unsigned block;
  unsigned first_case;
  unsigned cases;
};

inline constexpr int kFoldThreads = 1024;
/// Threads that add up so many chunks: eight, one per lane, for each chunk, as far as a block goes. Whole warps.
[[nodiscard]] inline unsigned fold_threads(std::int64_t chunks) {
  constexpr std::int64_t kChunksOfWarp = kWarp / kBlock8;
  const std::int64_t threads = (chunks + kChunksOfWarp - 1) / kChunksOfWarp * kWarp;
  return static_cast<unsigned>(threads < kFoldThreads ? threads : kFoldThreads);
}

/// Calls body(partials of the chunk, voxels of the chunk) for every chunk that is this thread's, which takes lane
/// threadIdx.x % 8 of each.
template <int K, class Body> __device__ __forceinline__ void over_partials(const LanePartials& p, const Body& body) {
  const unsigned chunks = p.cases * p.grid.per_row;
  for (unsigned j = threadIdx.x / kBlock8; j < chunks; j += blockDim.x / static_cast<unsigned>(kBlock8)) {
    const unsigned n = p.first_case + j / p.grid.per_row;
    const unsigned k = j % p.grid.per_row;
    const std::int64_t row = static_cast<std::int64_t>(n) * p.grid.blocks + p.block;
    const std::int64_t left = p.grid.voxels - static_cast<std::int64_t>(k) * kChunkVoxels;
    body(p.of_chunks + (row * p.grid.per_row + k) * K * kBlock8 + threadIdx.x % kBlock8,
         left < kChunkVoxels ? left : kChunkVoxels);
  }
}

/// Adds up v over the threads of each lane, threadIdx.x % 8; every thread gets its lane's sums.
template <int K> __device__ __forceinline__ void sum_over_lane_threads(double (&v)[K]) {
  constexpr int kLanes = static_cast<int>(kBlock8);
  VOX_SHARED(double, of_warps, [K][kFoldThreads / kWarp][kLanes]);
  const int t = static_cast<int>(threadIdx.x);
  VOX_UNROLL
  for (int k = 0; k < K; ++k) {
    v[k] += __shfl_xor_sync(kWholeWarp, v[k], 16);
    v[k] += __shfl_xor_sync(kWholeWarp, v[k], 8);
    if (t % kWarp < kLanes) { of_warps[k][t / kWarp][t % kWarp] = v[k]; }
  }
  __syncthreads();
  VOX_UNROLL
  for (int k = 0; k < K; ++k) {
    v[k] = 0;
    for (unsigned w = 0; w < blockDim.x / kWarp; ++w) { v[k] += of_warps[k][w][t % kLanes]; }
  }
}

}  // namespace vox::gpu
