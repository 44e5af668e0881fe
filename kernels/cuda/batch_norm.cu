#include "kernels/batch_norm.h"

#include <cmath>

#include "kernels/cuda/reduce.cuh"

namespace vox {
namespace gpu {

inline constexpr int kNormLanes = static_cast<int>(kBlock8);

template <class A> __device__ __forceinline__ A inverse_deviation(A variance, double eps) {
  return static_cast<A>(1 / std::sqrt(static_cast<double>(variance) + eps));
}

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

/// [C] each; the last two of the forward or of the backward pass.
template <class A> struct BatchNormVectors {
  const A* mean;
  const A* variance;
  const A* gamma;
  const A* beta;
  const A* dgamma;
  const A* dbeta;
};

/// y = (x - mean) * slope + beta: one block per chunk, 16 bytes per thread and turn; eight threads work out the slopes.
template <class T>
__global__ void batch_norm_apply_kernel(const T* x, BatchNormVectors<Acc<T>> of, double eps, T* y, ChunkGrid grid,
                                        int channels) {
  constexpr int kLane = kWide<T>;
  using A = Acc<T>;
  VOX_SHARED(A, mean, [kNormLanes]);
  VOX_SHARED(A, slope, [kNormLanes]);
  VOX_SHARED(A, beta, [kNormLanes]);
  const Chunk chunk = this_chunk(grid);
  const int t = static_cast<int>(threadIdx.x);
  if (t < kNormLanes) {
    const bool present = t < channels_in(channels, chunk.block);
    const int c = static_cast<int>(chunk.block) * kNormLanes + t;
    mean[t] = present ? of.mean[c] : A{0};
    slope[t] = present ? of.gamma[c] * inverse_deviation(of.variance[c], eps) : A{0};
    beta[t] = present ? of.beta[c] : A{0};
  }
  __syncthreads();
  const int lane = t * kLane % kNormLanes;
  for (int i = t; i < chunk.voxels * kPieces<T>; i += kChunkThreads) {
    Pack<T, kLane> v = load_pack<kLane>(x + chunk.at + i * kLane);
    VOX_UNROLL
    for (int j = 0; j < kLane; ++j) {
      v.v[j] = store<T>((load(v.v[j]) - mean[lane + j]) * slope[lane + j] + beta[lane + j]);
    }
    store_pack(y + chunk.at + i * kLane, v);
  }
}

/// Sums of dy and of dy * (x - mean) over a chunk, lane by lane: one block per chunk.
template <class T>
__global__ void batch_norm_gradient_chunks_kernel(const T* x, const T* dy, const Acc<T>* means, double* partials,
                                                  ChunkGrid grid, int channels) {
  constexpr int kLane = kWide<T>;
  const Chunk chunk = this_chunk(grid);
  const int t = static_cast<int>(threadIdx.x);
  const int lane = t * kLane % kNormLanes;
  const int present = channels_in(channels, chunk.block);
  Acc<T> mean[kLane];
  VOX_UNROLL
  for (int j = 0; j < kLane; ++j) {
    mean[j] = lane + j < present ? means[static_cast<int>(chunk.block) * kNormLanes + lane + j] : Acc<T>{0};
  }
  Acc<T> sums[2][kLane]{};
  for (int i = t; i < chunk.voxels * kPieces<T>; i += kChunkThreads) {
    const Pack<T, kLane> vx = load_pack<kLane>(x + chunk.at + i * kLane);
    const Pack<T, kLane> vy = load_pack<kLane>(dy + chunk.at + i * kLane);
    VOX_UNROLL
    for (int j = 0; j < kLane; ++j) {
      sums[0][j] += load(vy.v[j]);
      sums[1][j] += load(vy.v[j]) * (load(vx.v[j]) - mean[j]);
    }
  }
  const double total = lane_sums(sums);
  if (t < 2 * kNormLanes) { partials[static_cast<std::int64_t>(blockIdx.x) * 2 * kNormLanes + t] = total; }
}

/// dbeta and dgamma from the chunks' sums: one block per block of channels.
template <class A>
__global__ void batch_norm_parameters_kernel(const double* partials, const A* variance, double eps, A* dgamma, A* dbeta,
                                             ChunkGrid grid, unsigned cases, int channels) {
  double sum[2] = {0, 0};
  over_partials<2>({.of_chunks = partials, .grid = grid, .block = blockIdx.x, .first_case = 0, .cases = cases},
                   [&](const double* chunk, std::int64_t) {
                     sum[0] += chunk[0];
                     sum[1] += chunk[kNormLanes];
                   });
  sum_over_lane_threads(sum);
  const int lane = static_cast<int>(threadIdx.x);
  if (lane >= channels_in(channels, blockIdx.x)) { return; }
  const unsigned channel = blockIdx.x * kNormLanes + threadIdx.x;
  dbeta[channel] = static_cast<A>(sum[0]);
  dgamma[channel] = static_cast<A>(sum[1]) * inverse_deviation(variance[channel], eps);
}

/// dx = slope * (dy - offset - (x - mean) * pull): one block per chunk, 16 bytes per thread and turn; eight threads
/// work out the factors.
template <class T>
__global__ void batch_norm_backward_kernel(const T* x, const T* dy, BatchNormVectors<Acc<T>> of, double eps,
                                           Acc<T> per_value, T* dx, ChunkGrid grid, int channels) {
  constexpr int kLane = kWide<T>;
  using A = Acc<T>;
  VOX_SHARED(A, mean, [kNormLanes]);
  VOX_SHARED(A, slope, [kNormLanes]);
  VOX_SHARED(A, offset, [kNormLanes]);
  VOX_SHARED(A, pull, [kNormLanes]);
  const Chunk chunk = this_chunk(grid);
  const int t = static_cast<int>(threadIdx.x);
  if (t < kNormLanes) {
    const bool present = t < channels_in(channels, chunk.block);
    const int c = static_cast<int>(chunk.block) * kNormLanes + t;
    const A inverse = present ? inverse_deviation(of.variance[c], eps) : A{0};
    mean[t] = present ? of.mean[c] : A{0};
    slope[t] = present ? of.gamma[c] * inverse : A{0};
    offset[t] = present ? of.dbeta[c] * per_value : A{0};
    pull[t] = present ? of.dgamma[c] * per_value * inverse : A{0};
  }
  __syncthreads();
  const int lane = t * kLane % kNormLanes;
  for (int i = t; i < chunk.voxels * kPieces<T>; i += kChunkThreads) {
    const Pack<T, kLane> vx = load_pack<kLane>(x + chunk.at + i * kLane);
    Pack<T, kLane> v = load_pack<kLane>(dy + chunk.at + i * kLane);
    VOX_UNROLL
    for (int j = 0; j < kLane; ++j) {
      const int l = lane + j;
      v.v[j] = store<T>(slope[l] * (load(v.v[j]) - offset[l] - (load(vx.v[j]) - mean[l]) * pull[l]));
    }
    store_pack(dx + chunk.at + i * kLane, v);
  }
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

template <class T> void batch_norm_forward(GpuQueue& q, const BatchNormArgs<T>& a) {
  const gpu::ChunkGrid grid = gpu::block_grid(a.shape);
  const gpu::BatchNormVectors<Acc<T>> of{.mean = a.mean.data(),
                                         .variance = a.variance.data(),
                                         .gamma = a.gamma.data(),
                                         .beta = a.beta.data(),
                                         .dgamma = nullptr,
                                         .dbeta = nullptr};
  VOX_LAUNCH(q, (gpu::batch_norm_apply_kernel<T>), grid.count, gpu::kChunkThreads, 0, a.x.data(), of, a.eps, a.y.data(),
             grid, static_cast<int>(a.shape.c));
}

template <class T> void batch_norm_backward(GpuQueue& q, const BatchNormGradArgs<T>& a) {
  const VolumeShape& s = a.shape;
  const gpu::ChunkGrid grid = gpu::block_grid(s);
  const auto channels = static_cast<int>(s.c);
  VOX_LAUNCH(q, (gpu::batch_norm_gradient_chunks_kernel<T>), grid.count, gpu::kChunkThreads, 0, a.x.data(), a.dy.data(),
             a.mean.data(), a.partials.data(), grid, channels);
  VOX_LAUNCH(q, (gpu::batch_norm_parameters_kernel<Acc<T>>), grid.blocks, gpu::fold_threads(s.n * grid.per_row), 0,
             a.partials.data(), a.variance.data(), a.eps, a.dgamma.data(), a.dbeta.data(), grid,
             static_cast<unsigned>(s.n), channels);
  if (a.dx.empty()) { return; }
  const auto per_value =
      static_cast<Acc<T>>(a.statistics == Statistics::constant ? 0.0 : 1.0 / static_cast<double>(s.n * s.voxels()));
  const gpu::BatchNormVectors<Acc<T>> of{.mean = a.mean.data(),
                                         .variance = a.variance.data(),
                                         .gamma = a.gamma.data(),
                                         .beta = nullptr,
                                         .dgamma = a.dgamma.data(),
                                         .dbeta = a.dbeta.data()};
  VOX_LAUNCH(q, (gpu::batch_norm_backward_kernel<T>), grid.count, gpu::kChunkThreads, 0, a.x.data(), a.dy.data(), of,
             a.eps, per_value, a.dx.data(), grid, channels);
}

VOX_INSTANTIATE(GpuQueue, batch_norm_statistics, BatchNormStatisticsArgs);
VOX_INSTANTIATE(GpuQueue, batch_norm_forward, BatchNormArgs);
VOX_INSTANTIATE(GpuQueue, batch_norm_backward, BatchNormGradArgs);

}  // namespace vox
