#include "kernels/batch_norm.h"
#include "kernels/cuda/reduce.cuh"

namespace vox {
namespace gpu {

inline constexpr int kNormLanes = static_cast<int>(kBlock8);

/// Mean of a chunk and squared distance from it, lane by lane: one block per chunk, 16 bytes per thread and turn. The
/// chunk stays in registers: a first sum gives the rough mean that the others are taken about.
template <class T> __global__ void batch_norm_chunks_kernel(const T* x, double* partials, ChunkGrid grid) {
  constexpr int kTurns = static_cast<int>(kChunkVoxels) * kPieces<T> / kChunkThreads;
  using A = Acc<T>;
  const Chunk chunk = this_chunk(grid);
  const int t = static_cast<int>(threadIdx.x);
  const int pieces = chunk.voxels * kPieces<T>;
  Pack<T, kWide<T>> values[kTurns];
  A sums[1][kWide<T>]{};
  VOX_UNROLL
  for (int turn = 0; turn < kTurns; ++turn) {
    const int i = turn * kChunkThreads + t;
    if (i >= pieces) { continue; }
    values[turn] = load_pack<kWide<T>>(x + chunk.at + i * kWide<T>);
    VOX_UNROLL
    for (int j = 0; j < kWide<T>; ++j) { sums[0][j] += load(values[turn].v[j]); }
  }
  VOX_SHARED(A, about, [kNormLanes]);
  const double rough = lane_sums(sums);
  if (t < kNormLanes) { about[t] = static_cast<A>(rough / chunk.voxels); }
  __syncthreads();
  A centred[2][kWide<T>]{};
  VOX_UNROLL
  for (int turn = 0; turn < kTurns; ++turn) {
    if (turn * kChunkThreads + t >= pieces) { continue; }
    VOX_UNROLL
    for (int j = 0; j < kWide<T>; ++j) {
      const A d = load(values[turn].v[j]) - about[t * kWide<T> % kNormLanes + j];
      centred[0][j] += d;
      centred[1][j] += d * d;
    }
  }
  const double total = lane_sums(centred);  // of d in threads 0 ... 7, of d * d in 8 ... 15
  const double sum = __shfl_sync(kWholeWarp, total, t % kNormLanes);
  if (t < 2 * kNormLanes) {
    partials[static_cast<std::int64_t>(blockIdx.x) * 2 * kNormLanes + t] =
        t < kNormLanes ? static_cast<double>(about[t]) + sum / chunk.voxels : total - sum * sum / chunk.voxels;
  }
}

template <class A> struct BatchNormMoments {
  A* mean;
  A* variance;
  A* running_mean;
  A* running_variance;
};

template <class A> __device__ __forceinline__ void blend(A* running, double momentum, double batch) {
  *running = static_cast<A>((1 - momentum) * static_cast<double>(*running) + momentum * batch);
}

/// Merges the chunks' moments, one block per block of channels: the mean first, then the squared distances from it,
/// those between the chunks' means and it included. Nothing cancels, and no chunk waits for the one before.
template <class A>
__global__ void batch_norm_moments_kernel(const double* partials, BatchNormMoments<A> out, double momentum,
                                          ChunkGrid grid, unsigned cases, int channels) {
  const LanePartials chunks{.of_chunks = partials, .grid = grid, .block = blockIdx.x, .first_case = 0, .cases = cases};
  const auto count = static_cast<double>(cases * grid.voxels);
  double sum[1] = {0};
  over_partials<2>(chunks,
                   [&](const double* chunk, std::int64_t voxels) { sum[0] += static_cast<double>(voxels) * chunk[0]; });
  sum_over_lane_threads(sum);
  const double mean = sum[0] / count;
  __syncthreads();
  double m2[1] = {0};
  over_partials<2>(chunks, [&](const double* chunk, std::int64_t voxels) {
    const double d = chunk[0] - mean;
    m2[0] += chunk[kNormLanes] + static_cast<double>(voxels) * d * d;
  });
  sum_over_lane_threads(m2);
  const int lane = static_cast<int>(threadIdx.x);
  if (lane >= channels_in(channels, blockIdx.x)) { return; }
  const unsigned channel = blockIdx.x * kNormLanes + threadIdx.x;
  out.mean[channel] = static_cast<A>(mean);
  out.variance[channel] = static_cast<A>(m2[0] / count);
  blend(out.running_mean + channel, momentum, mean);
  blend(out.running_variance + channel, momentum, m2[0] / (count - 1));
}

}  // namespace gpu

template <class T> void batch_norm_statistics(GpuQueue& q, const BatchNormStatisticsArgs<T>& a) {
  const VolumeShape& s = a.shape;
  const gpu::ChunkGrid grid = gpu::block_grid(s);
  VOX_LAUNCH(q, (gpu::batch_norm_chunks_kernel<T>), grid.count, gpu::kChunkThreads, 0, a.x.data(), a.partials.data(),
             grid);
  const gpu::BatchNormMoments<Acc<T>> out{.mean = a.mean.data(),
                                          .variance = a.variance.data(),
                                          .running_mean = a.running_mean.data(),
                                          .running_variance = a.running_variance.data()};
  VOX_LAUNCH(q, (gpu::batch_norm_moments_kernel<Acc<T>>), grid.blocks, gpu::fold_threads(s.n * grid.per_row), 0,
             a.partials.data(), out, a.momentum, grid, static_cast<unsigned>(s.n), static_cast<int>(s.c));
}

VOX_INSTANTIATE(GpuQueue, batch_norm_statistics, BatchNormStatisticsArgs);

}  // namespace vox
