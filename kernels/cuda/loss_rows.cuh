#pragma once

#include <cstdint>

#include "kernels/cuda/reduce.cuh"

/// Sums of losses that read logits: of each chunk of a case some rows of eight lanes, and then of all chunks of a
/// group.
namespace vox::gpu {

inline constexpr int kLossLanes = static_cast<int>(kBlock8);

/// Adds up 16 values over the kChunkThreads threads of a block: threads 0 ... 15 get a sum each, in double. No barrier
/// is needed between two calls.
template <class A> __device__ __forceinline__ double column_sums(const A (&v)[16]) {
  constexpr int kColumns = 16;
  constexpr int kRows = kChunkThreads / 2;  // two threads have one
  constexpr int kStore = kWide<A>;
  VOX_SHARED(A, rows, [kRows * kColumns]);
  VOX_SHARED(A, of_thread, [kChunkThreads]);
  const int t = static_cast<int>(threadIdx.x);
  A* const row = rows + (t / kWarp * (kWarp / 2) + t % (kWarp / 2)) * kColumns;
  VOX_UNROLL
  for (int i = 0; i < kColumns; i += kStore) {
    Pack<A, kStore> part;
    VOX_UNROLL
    for (int j = 0; j < kStore; ++j) { part.v[j] = v[i + j] + __shfl_xor_sync(kWholeWarp, v[i + j], kWarp / 2); }
    if (t % kWarp < kWarp / 2) { store_pack(row + i, part); }
  }
  __syncthreads();
  A sum = 0;
  VOX_UNROLL
  for (int i = 0; i < kRows * kColumns / kChunkThreads; ++i) { sum += rows[i * kChunkThreads + t]; }
  of_thread[t] = sum;
  __syncthreads();
  double total = 0;
  if (t < kColumns) {
    VOX_UNROLL
    for (int i = 0; i < kChunkThreads / kColumns; ++i) { total += static_cast<double>(of_thread[i * kColumns + t]); }
  }
  return total;
}

/// Adds up a row of a group's chunks, in double: one block per group and row, eight lanes times blockDim.x / 8 threads.
template <class Sum>
__global__ void loss_rows_kernel(const Sum* partials, Sum* sums, unsigned rows, unsigned chunks_of_group) {
  wait_for_launches_before();
  constexpr unsigned kLoads = 8;  // on their way together
  const unsigned group = blockIdx.x / rows;
  const unsigned row = blockIdx.x % rows;
  const unsigned lane = threadIdx.x % kLossLanes;
  const unsigned apart = blockDim.x / kLossLanes;
  const Sum* const from =
      partials + (static_cast<std::int64_t>(group) * chunks_of_group * rows + row) * kLossLanes + lane;
  Sum sum[1] = {0};
  VOX_NO_UNROLL
  for (unsigned i = threadIdx.x / kLossLanes; i < chunks_of_group; i += kLoads * apart) {
    Sum part[kLoads];
    VOX_UNROLL
    for (unsigned k = 0; k < kLoads; ++k) {
      const unsigned chunk = i + k * apart;
      part[k] = chunk < chunks_of_group ? from[static_cast<std::int64_t>(chunk) * rows * kLossLanes] : Sum{0};
    }
    VOX_UNROLL
    for (unsigned k = 0; k < kLoads; ++k) { sum[0] += part[k]; }
  }
  sum_over_lane_threads(sum);
  if (threadIdx.x < kLossLanes) { sums[static_cast<std::int64_t>(blockIdx.x) * kLossLanes + lane] = sum[0]; }
}

/// sums[groups] of case_sums[cases], each of `doubles`: those of all cases in order where there is one group, else the
/// same. By one block; all its threads then see them.
__device__ __forceinline__ void add_cases(const double* case_sums, double* sums, int cases, int groups, int doubles) {
  const int of_group = groups == 1 ? cases : 1;
  VOX_NO_UNROLL
  for (int i = static_cast<int>(threadIdx.x); i < groups * doubles; i += kChunkThreads) {
    double sum = 0;
    VOX_NO_UNROLL
    for (int n = 0; n < of_group; ++n) { sum += case_sums[static_cast<std::int64_t>(n) * doubles + i]; }
    sums[i] = sum;
  }
  __syncthreads();
}

/// Blocks of threads of a gradient, which are no chunks: nothing is added up.
struct GradientGrid {
  std::int64_t voxels;  ///< of a case
  int voxels_of_block;
  unsigned blocks_of_case;
  int channel_blocks;

  [[nodiscard]] unsigned count(const VolumeShape& s) const { return static_cast<unsigned>(s.n) * blocks_of_case; }
};

[[nodiscard]] inline GradientGrid gradient_grid(const VolumeShape& s) {
  constexpr std::int64_t kManyVoxels = 1 << 20;  // enough for blocks of threads that take more of them
  const std::int64_t voxels = s.voxels();
  const std::int64_t of_block = s.n * voxels < kManyVoxels ? kChunkThreads : 16 * kChunkThreads;
  return {.voxels = voxels,
          .voxels_of_block = static_cast<int>(of_block),
          .blocks_of_case = static_cast<unsigned>((voxels + of_block - 1) / of_block),
          .channel_blocks = static_cast<int>(s.blocks())};
}

}  // namespace vox::gpu
