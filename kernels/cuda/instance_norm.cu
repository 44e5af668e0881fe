#include "kernels/instance_norm.h"

#include <cmath>

#include "kernels/cuda/run_moments.cuh"

// A row is a block of channels of a case. Its runs are neighbours, and so are their partial sums.

namespace vox {
namespace gpu {

__device__ __forceinline__ unsigned row_of(const RunGrid& g, const Run& run) {
  return run.of_channel / g.per_row * g.blocks + run.block;
}

/// Eight values per row each, and [C] vectors, null where there are none.
template <class A> struct InstanceNormVectors {
  const A* mean;
  const A* inverse;
  const A* gamma;
  const A* beta;
};

/// Those of a lane of a row; zeros where there is no channel.
template <class A> struct InstanceNormLane {
  A mean;
  A inverse;
  A slope;
  A beta;
};
template <class A>
__device__ __forceinline__ InstanceNormLane<A> norm_lane(const InstanceNormVectors<A>& of, unsigned row, unsigned block,
                                                         int lane, int channels) {
  if (lane >= channels_in(channels, block)) { return {}; }
  const int c = static_cast<int>(block) * kLanes8 + lane;
  const std::int64_t at = static_cast<std::int64_t>(row) * kLanes8 + lane;
  const A inverse = of.inverse[at];
  return {.mean = of.mean[at],
          .inverse = inverse,
          .slope = of.gamma != nullptr ? of.gamma[c] * inverse : inverse,
          .beta = of.beta != nullptr ? of.beta[c] : A{0}};
}

/// Adds up v over the threads of a warp; every thread gets the sums.
template <int K> __device__ __forceinline__ void warp_sum(double (&v)[K]) {
  VOX_UNROLL
  for (unsigned step = kWarp / 2; step > 0; step /= 2) {
    VOX_UNROLL
    for (int k = 0; k < K; ++k) { v[k] += __shfl_xor_sync(kWholeWarp, v[k], step); }
  }
}

/// Merges the moments of a row's runs, whose means are taken from that of the first: one block per row, a warp per
/// lane.
template <class A>
__global__ void __launch_bounds__(kChunkThreads)
    instance_norm_moments_kernel(const double* partials, double eps, A* mean, A* inverse, RunGrid grid, int channels) {
  wait_for_launches_before();
  const unsigned block = blockIdx.x % grid.blocks;
  const unsigned first = blockIdx.x / grid.blocks * grid.per_row;  // of the channel's runs
  const unsigned lane = threadIdx.x / kWarp;
  const unsigned channel = block * kLanes8 + lane;
  const double* const means = partials_of(grid.of_channel, partials, channel, 2, 0) + first;
  const double* const m2 = partials_of(grid.of_channel, partials, channel, 2, 1) + first;
  const double about = means[0];
  double sum[2] = {0, 0};
  for (unsigned i = threadIdx.x % kWarp; i < grid.per_row; i += kWarp) {
    const auto voxels = static_cast<double>(voxels_of_run(grid, i));
    const double d = means[i] - about;
    sum[0] += voxels * d;
    sum[1] += m2[i] + voxels * d * d;
  }
  warp_sum(sum);
  if (threadIdx.x % kWarp != 0) { return; }
  const auto count = static_cast<double>(grid.voxels);
  const double variance = (sum[1] - sum[0] * sum[0] / count) / count;
  const bool present = static_cast<int>(lane) < channels_in(channels, block);
  const std::int64_t at = static_cast<std::int64_t>(blockIdx.x) * kLanes8 + lane;
  mean[at] = present ? static_cast<A>(about + sum[0] / count) : A{0};
  inverse[at] = present ? static_cast<A>(1 / std::sqrt(variance + eps)) : A{0};
}

/// y = (x - mean) * slope + beta: one block per run; eight threads work out the factors.
template <class T>
__global__ void __launch_bounds__(kChunkThreads, 4)
    instance_norm_apply_kernel(const T* x, InstanceNormVectors<Acc<T>> of, T* y, RunGrid grid, int channels) {
  wait_for_launches_before();
  constexpr int kLane = kWide<T>;
  using A = Acc<T>;
  VOX_SHARED(A, means, [kLanes8]);
  VOX_SHARED(A, slopes, [kLanes8]);
  VOX_SHARED(A, betas, [kLanes8]);
  const Run run = this_run(grid);
  const int t = static_cast<int>(threadIdx.x);
  const T* const from[1] = {x + run.at};
  A mean[kLane];
  A slope[kLane];
  A beta[kLane];
  over_pieces<4, Order::forwards>(
      from, run.voxels * kPieces<T>,
      [&] {
        if (t < kLanes8) {
          const InstanceNormLane<A> lane = norm_lane(of, row_of(grid, run), run.block, t, channels);
          means[t] = lane.mean;
          slopes[t] = lane.slope;
          betas[t] = lane.beta;
        }
        __syncthreads();
        take_lanes(means, mean);
        take_lanes(slopes, slope);
        take_lanes(betas, beta);
      },
      [&]<int Turns>(int i, const Tile<T, 1, Turns>& tile) {
        VOX_UNROLL
        for (int turn = 0; turn < Turns; ++turn) {
          A v[kLane];
          unpack<T>(tile.of[0][turn], v);
          VOX_UNROLL
          for (int j = 0; j < kLane; ++j) { v[j] = (v[j] - mean[j]) * slope[j] + beta[j]; }
          store_wide(y + run.at + (i + turn * kChunkThreads) * kLane, v);
        }
      });
}

/// Sums of dy and of dy * (x - mean) over a run, lane by lane: one block per run.
template <class T>
__global__ void __launch_bounds__(kChunkThreads, 4)
    instance_norm_gradient_runs_kernel(const T* x, const T* dy, InstanceNormVectors<Acc<T>> of, double* partials,
                                       RunGrid grid) {
  wait_for_launches_before();
  constexpr int kLane = kWide<T>;
  using A = Acc<T>;
  const Run run = this_run_backwards(grid);
  const int t = static_cast<int>(threadIdx.x);
  const T* const from[2] = {x + run.at, dy + run.at};
  A mean[kLane];
  A sums[2][kLane]{};
  over_pieces<2, Order::backwards>(
      from, run.voxels * kPieces<T>,
      [&] { take_lanes(of.mean + static_cast<std::int64_t>(row_of(grid, run)) * kLanes8, mean); },
      [&]<int Turns>(int, const Tile<T, 2, Turns>& tile) {
        VOX_UNROLL
        for (int turn = 0; turn < Turns; ++turn) {
          A v[kLane];
          A d[kLane];
          unpack<T>(tile.of[0][turn], v);
          unpack<T>(tile.of[1][turn], d);
          VOX_UNROLL
          for (int j = 0; j < kLane; ++j) {
            sums[0][j] += d[j];
            sums[1][j] += d[j] * (v[j] - mean[j]);
          }
        }
      });
  const double total = lane_sums(sums);
  if (t < 2 * kLanes8) { partials[partial_at(grid, run, 2 * kLanes8, t)] = total; }
}

/// The sums of each row, of_rows[row][2][8], and from them dgamma and dbeta: one block per block of channels, a warp
/// per lane.
template <class A>
__global__ void __launch_bounds__(kChunkThreads)
    instance_norm_rows_kernel(const double* partials, const A* inverse, double* of_rows, A* dgamma, A* dbeta,
                              RunGrid grid, int channels) {
  wait_for_launches_before();
  const unsigned block = blockIdx.x;
  const unsigned lane = threadIdx.x / kWarp;
  const unsigned channel = block * kLanes8 + lane;
  const double* const sums = partials_of(grid.of_channel, partials, channel, 2, 0);
  const double* const products = partials_of(grid.of_channel, partials, channel, 2, 1);
  double of_gamma = 0;
  double of_beta = 0;
  for (unsigned first = 0; first < grid.of_channel; first += grid.per_row) {
    double sum[2] = {0, 0};
    for (unsigned i = threadIdx.x % kWarp; i < grid.per_row; i += kWarp) {
      sum[0] += sums[first + i];
      sum[1] += products[first + i];
    }
    warp_sum(sum);
    const std::int64_t row = static_cast<std::int64_t>(first / grid.per_row) * grid.blocks + block;
    of_beta += sum[0];
    of_gamma += sum[1] * static_cast<double>(inverse[row * kLanes8 + lane]);
    if (threadIdx.x % kWarp == 0) {
      of_rows[row * 2 * kLanes8 + lane] = sum[0];
      of_rows[(row * 2 + 1) * kLanes8 + lane] = sum[1];
    }
  }
  if (threadIdx.x % kWarp != 0 || static_cast<int>(lane) >= channels_in(channels, block)) { return; }
  if (dgamma != nullptr) { dgamma[channel] = static_cast<A>(of_gamma); }
  if (dbeta != nullptr) { dbeta[channel] = static_cast<A>(of_beta); }
}

/// dx = slope * (dy - sum / M - (x - mean) * pull / M), with the factors of x and those of neither put together: one
/// block per run; eight threads work out the factors.
template <class T>
__global__ void __launch_bounds__(kChunkThreads, 4)
    instance_norm_backward_kernel(const T* x, const T* dy, InstanceNormVectors<Acc<T>> of, const double* of_rows,
                                  double per_voxel, T* dx, RunGrid grid, int channels) {
  wait_for_launches_before();
  constexpr int kLane = kWide<T>;
  using A = Acc<T>;
  VOX_SHARED(A, slopes, [kLanes8]);
  VOX_SHARED(A, pulls, [kLanes8]);
  VOX_SHARED(A, offsets, [kLanes8]);
  const Run run = this_run(grid);
  const int t = static_cast<int>(threadIdx.x);
  const T* const from[2] = {x + run.at, dy + run.at};
  A slope[kLane];
  A pull[kLane];
  A offset[kLane];
  over_pieces<2, Order::forwards>(
      from, run.voxels * kPieces<T>,
      [&] {
        if (t < kLanes8) {
          const unsigned row = row_of(grid, run);
          const double* const sums = of_rows + static_cast<std::int64_t>(row) * 2 * kLanes8 + t;
          const InstanceNormLane<A> lane = norm_lane(of, row, run.block, t, channels);
          const A of_x = -lane.slope * static_cast<A>(sums[kLanes8] * per_voxel) * lane.inverse * lane.inverse;
          slopes[t] = lane.slope;
          pulls[t] = of_x;
          offsets[t] = -lane.slope * static_cast<A>(sums[0] * per_voxel) - lane.mean * of_x;
        }
        __syncthreads();
        take_lanes(slopes, slope);
        take_lanes(pulls, pull);
        take_lanes(offsets, offset);
      },
      [&]<int Turns>(int i, const Tile<T, 2, Turns>& tile) {
        VOX_UNROLL
        for (int turn = 0; turn < Turns; ++turn) {
          A v[kLane];
          A d[kLane];
          unpack<T>(tile.of[0][turn], v);
          unpack<T>(tile.of[1][turn], d);
          VOX_UNROLL
          for (int j = 0; j < kLane; ++j) { v[j] = d[j] * slope[j] + (v[j] * pull[j] + offset[j]); }
          store_wide(dx + run.at + (i + turn * kChunkThreads) * kLane, v);
        }
      });
}

}  // namespace gpu

template <class T> void instance_norm_statistics(GpuQueue& q, const InstanceNormStatisticsArgs<T>& a) {
  const gpu::RunGrid grid = gpu::run_grid(a.shape);
  VOX_LAUNCH(q, (gpu::moments_of_runs_kernel<T>), grid.count, gpu::kChunkThreads, 0, a.x.data(), a.partials.data(),
             grid);
  const auto rows = static_cast<unsigned>(a.shape.n * a.shape.blocks());
  VOX_LAUNCH(q, (gpu::instance_norm_moments_kernel<Acc<T>>), rows, gpu::kChunkThreads, 0, a.partials.data(), a.eps,
             a.mean.data(), a.inverse.data(), grid, static_cast<int>(a.shape.c));
}

template <class T> void instance_norm_forward(GpuQueue& q, const InstanceNormArgs<T>& a) {
  const gpu::RunGrid grid = gpu::run_grid(a.shape);
  const gpu::InstanceNormVectors<Acc<T>> of{
      .mean = a.mean.data(), .inverse = a.inverse.data(), .gamma = a.gamma.data(), .beta = a.beta.data()};
  VOX_LAUNCH(q, (gpu::instance_norm_apply_kernel<T>), grid.count, gpu::kChunkThreads, 0, a.x.data(), of, a.y.data(),
             grid, static_cast<int>(a.shape.c));
}

template <class T> void instance_norm_backward(GpuQueue& q, const InstanceNormGradArgs<T>& a) {
  const VolumeShape& s = a.shape;
  const gpu::RunGrid grid = gpu::run_grid(s);
  const auto channels = static_cast<int>(s.c);
  const gpu::InstanceNormVectors<Acc<T>> of{
      .mean = a.mean.data(), .inverse = a.inverse.data(), .gamma = a.gamma.data(), .beta = nullptr};
  double* const of_rows = a.partials.data() + chunks_of_blocks(s).count() * 2 * kBlock8;
  VOX_LAUNCH(q, (gpu::instance_norm_gradient_runs_kernel<T>), grid.count, gpu::kChunkThreads, 0, a.x.data(),
             a.dy.data(), of, a.partials.data(), grid);
  VOX_LAUNCH(q, (gpu::instance_norm_rows_kernel<Acc<T>>), static_cast<unsigned>(s.blocks()), gpu::kChunkThreads, 0,
             a.partials.data(), a.inverse.data(), of_rows, a.dgamma.data(), a.dbeta.data(), grid, channels);
  if (a.dx.empty()) { return; }
  VOX_LAUNCH(q, (gpu::instance_norm_backward_kernel<T>), grid.count, gpu::kChunkThreads, 0, a.x.data(), a.dy.data(), of,
             of_rows, 1.0 / static_cast<double>(s.voxels()), a.dx.data(), grid, channels);
}

VOX_INSTANTIATE(GpuQueue, instance_norm_statistics, InstanceNormStatisticsArgs);
VOX_INSTANTIATE(GpuQueue, instance_norm_forward, InstanceNormArgs);
VOX_INSTANTIATE(GpuQueue, instance_norm_backward, InstanceNormGradArgs);

}  // namespace vox
