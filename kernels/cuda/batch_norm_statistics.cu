#include "kernels/batch_norm.h"
#include "kernels/cuda/run_moments.cuh"

namespace vox {
namespace gpu {

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
  VOX_LAUNCH(q, (gpu::moments_of_runs_kernel<T>), grid.count, gpu::kChunkThreads, 0, a.x.data(), a.partials.data(),
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
