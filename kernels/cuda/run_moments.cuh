#pragma once

#include "kernels/cuda/reduce.cuh"
#include "kernels/cuda/run.cuh"

/// The first stage of what normalises: means and variances of runs.
namespace vox::gpu {

/// Mean of a run and squared distance from it, lane by lane, as partial_at() of two sums: one block per run. The sums
/// are taken about the mean of a few of its values. No value is further than sqrt(count) deviations from the mean, so
/// no sum can drown the variance.
template <class T>
__global__ void __launch_bounds__(kChunkThreads, 4) moments_of_runs_kernel(const T* x, double* partials, RunGrid grid) {
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

}  // namespace vox::gpu
