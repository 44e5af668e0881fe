#include "kernels/batch_norm.h"
#include "kernels/cuda/reduce.cuh"
#include "kernels/cuda/run.cuh"

namespace vox {
namespace gpu {

/// Mean of a run and squared distance from it, lane by lane: one block per run. The sums are taken about the mean of a
/// few of its values. No value is further than sqrt(count) deviations from the mean, so no sum can drown the variance.
template <class T>
__global__ void __launch_bounds__(kChunkThreads, 4) batch_norm_runs_kernel(const T* x, double* partials, RunGrid grid) {
  wait_for_launches_before();
  constexpr int kLane = kWide<T>;
  constexpr int kSamples = 4;
  constexpr int kTurns = 4;
  using A = Acc<T>;
  const Run run = this_run_backwards(grid);
  const int t = static_cast<int>(threadIdx.x);
  const T* const from[1] = {x + run.at};
  VOX_SHARED(A, about, [kLanes8]);
  A shift[kLane]{};
  A sums[2][kLane]{};
  over_pieces<kTurns, Order::backwards>(
      from, run.voxels * kPieces<T>,
      [&] {
        Words samples[kSamples];
        VOX_UNROLL
        for (int s = 0; s < kSamples; ++s) {
          samples[s] = load_words(from[0] + run.voxels / kSamples * s * kLanes8 + t * kLane % kLanes8);
        }
        VOX_UNROLL
        for (int s = 0; s < kSamples; ++s) {
          A v[kLane];
          unpack<T>(samples[s], v);
          VOX_UNROLL
          for (int j = 0; j < kLane; ++j) { shift[j] += v[j] * (A{1} / kSamples); }
        }
        if (t * kLane < kLanes8) {
          VOX_UNROLL
          for (int j = 0; j < kLane; ++j) { about[t * kLane + j] = shift[j]; }
        }
      },
      [&]<int Turns>(int, const Tile<T, 1, Turns>& tile) {
        VOX_UNROLL
        for (int turn = 0; turn < Turns; ++turn) {
          A v[kLane];
          unpack<T>(tile.of[0][turn], v);
          VOX_UNROLL
          for (int j = 0; j < kLane; ++j) {
            const A d = v[j] - shift[j];
            sums[0][j] += d;
            sums[1][j] += d * d;
          }
        }
      });
  const double total = lane_sums(sums);  // of d in threads 0 ... 7, of d * d in 8 ... 15
  const double sum = __shfl_sync(kWholeWarp, total, t % kLanes8);
  if (t < 2 * kLanes8) {
    partials[partial_at(grid, run, 2 * kLanes8, t)] =
        t < kLanes8 ? static_cast<double>(about[t]) + sum / run.voxels : total - sum * sum / run.voxels;
  }
}

template <class A> struct BatchNormMoments {
  A* mean;
  A* variance;
  A* running_mean;
  A* running_variance;
};

__device__ __forceinline__ double blend(double running, double momentum, double batch) {
  return (1 - momentum) * running + momentum * batch;
}

/// Merges the runs' moments, one block per channel: the distances of their means are taken from the first one.
template <class A>
__global__ void batch_norm_moments_kernel(const double* partials, BatchNormMoments<A> out, double momentum,
                                          RunGrid grid) {
  wait_for_launches_before();
  const unsigned channel = blockIdx.x;
  const double* const means = partials_of(grid, partials, channel, 2, 0);
  const double* const m2 = partials_of(grid, partials, channel, 2, 1);
  const double about = means[0];
  const auto running_mean = static_cast<double>(out.running_mean[channel]);
  const auto running_variance = static_cast<double>(out.running_variance[channel]);
  double sum[2] = {0, 0};
  VOX_UNROLL
  for (unsigned i = threadIdx.x; i < grid.of_channel; i += kChunkThreads) {
    const auto voxels = static_cast<double>(voxels_of_run(grid, i % grid.per_row));
    const double d = means[i] - about;
    sum[0] += voxels * d;
    sum[1] += m2[i] + voxels * d * d;
  }
  block_sum(sum);
  if (threadIdx.x != 0) { return; }
  const auto count = static_cast<double>(grid.of_channel / grid.per_row * grid.voxels);
  const double mean = about + sum[0] / count;
  const double total = sum[1] - sum[0] * sum[0] / count;
  out.mean[channel] = static_cast<A>(mean);
  out.variance[channel] = static_cast<A>(total / count);
  out.running_mean[channel] = static_cast<A>(blend(running_mean, momentum, mean));
  out.running_variance[channel] = static_cast<A>(blend(running_variance, momentum, total / (count - 1)));
}

}  // namespace gpu

template <class T> void batch_norm_statistics(GpuQueue& q, const BatchNormStatisticsArgs<T>& a) {
  const VolumeShape& s = a.shape;
  const gpu::RunGrid grid = gpu::run_grid(s);
  VOX_LAUNCH(q, (gpu::batch_norm_runs_kernel<T>), grid.count, gpu::kChunkThreads, 0, a.x.data(), a.partials.data(),
             grid);
  const gpu::BatchNormMoments<Acc<T>> out{.mean = a.mean.data(),
                                          .variance = a.variance.data(),
                                          .running_mean = a.running_mean.data(),
                                          .running_variance = a.running_variance.data()};
  VOX_LAUNCH(q, (gpu::batch_norm_moments_kernel<Acc<T>>), static_cast<unsigned>(s.c), gpu::kChunkThreads, 0,
             a.partials.data(), out, a.momentum, grid);
}

VOX_INSTANTIATE(GpuQueue, batch_norm_statistics, BatchNormStatisticsArgs);

}  // namespace vox
