#include "kernels/batch_norm.h"
#include "kernels/conv3d.h"
#include "kernels/cuda/run_moments.cuh"

namespace vox {
namespace gpu {

template <class A> struct BatchNormMoments {
  A* mean;
  A* variance;
  A* running_mean;  ///< or null, as is the other
  A* running_variance;
};

__device__ __forceinline__ double blend(double running, double momentum, double batch) {
  return (1 - momentum) * running + momentum * batch;
}

/// Some voxels' moments in one channel.
struct Moments {
  double count;
  double mean;
  double m2;  ///< sum of the squared distances from the mean
};

/// Those of a channel's runs.
struct RunMoments {
  const double* partials;
  RunGrid grid;

  [[nodiscard]] unsigned count() const { return grid.of_channel; }
  __device__ __forceinline__ Moments of(unsigned channel, unsigned i) const {
    return {.count = static_cast<double>(voxels_of_run(grid, i % grid.per_row)),
            .mean = partials_of(grid.of_channel, partials, channel, 2, 0)[i],
            .m2 = partials_of(grid.of_channel, partials, channel, 2, 1)[i]};
  }
};

/// Those of a convolution's boxes, Conv3dEpilogue::moments.
struct BoxMoments {
  const double* moments;
  unsigned boxes;

  [[nodiscard]] unsigned count() const { return boxes; }
  __device__ __forceinline__ Moments of(unsigned channel, unsigned i) const {
    constexpr auto kLanes = static_cast<unsigned>(kBlock8);
    const std::int64_t box = static_cast<std::int64_t>(channel / kLanes) * boxes + i;
    const double* const lane = moments + box * kBoxMoments + channel % kLanes;
    return {.count = lane[0], .mean = lane[kBlock8], .m2 = lane[2 * kBlock8]};
  }
};

/// Merges moments, one block of threads per group and channel: the distances of the means are taken from the first one.
/// of_group: moments of a group's channel; count: their values.
template <class A, class Source>
__global__ void batch_norm_moments_kernel(Source source, BatchNormMoments<A> out, double momentum, double count,
                                          unsigned of_group, unsigned channels) {
  wait_for_launches_before();
  constexpr unsigned kTogether = 4;  // on their way at a time
  const unsigned at = blockIdx.x;
  const unsigned channel = at % channels;
  const unsigned of_groups_before = at / channels * of_group;
  const double about = source.of(channel, of_groups_before).mean;
  const bool runs = out.running_mean != nullptr;
  const double running_mean = runs ? static_cast<double>(out.running_mean[channel]) : 0;
  const double running_variance = runs ? static_cast<double>(out.running_variance[channel]) : 0;
  double sum[2] = {0, 0};
  for (unsigned first = threadIdx.x; first < of_group; first += kTogether * kChunkThreads) {
    Moments read[kTogether];
    VOX_UNROLL
    for (unsigned k = 0; k < kTogether; ++k) {
      const unsigned i = first + k * kChunkThreads;
      read[k] = i < of_group ? source.of(channel, of_groups_before + i) : Moments{.count = 0, .mean = about, .m2 = 0};
    }
    VOX_UNROLL
    for (unsigned k = 0; k < kTogether; ++k) {
      const double d = read[k].mean - about;
      sum[0] += read[k].count * d;
      sum[1] += read[k].m2 + read[k].count * d * d;
    }
  }
  block_sum(sum);
  if (threadIdx.x != 0) { return; }
  const double mean = about + sum[0] / count;
  const double total = sum[1] - sum[0] * sum[0] / count;
  out.mean[at] = static_cast<A>(mean);
  out.variance[at] = static_cast<A>(total / count);
  if (!runs) { return; }
  out.running_mean[channel] = static_cast<A>(blend(running_mean, momentum, mean));
  out.running_variance[channel] = static_cast<A>(blend(running_variance, momentum, total / (count - 1)));
}

}  // namespace gpu

template <class T> void batch_norm_statistics(GpuQueue& q, const BatchNormStatisticsArgs<T>& a) {
  const VolumeShape& s = a.shape;
  const gpu::BatchNormMoments<Acc<T>> out{.mean = a.mean.data(),
                                          .variance = a.variance.data(),
                                          .running_mean = a.running_mean.data(),
                                          .running_variance = a.running_variance.data()};
  const auto merge = [&](const auto& source) {
    VOX_LAUNCH(q, (gpu::batch_norm_moments_kernel<Acc<T>, std::decay_t<decltype(source)>>),
               static_cast<unsigned>(a.groups * s.c), gpu::kChunkThreads, 0, source, out, a.momentum,
               static_cast<double>(s.n / a.groups * s.voxels()), source.count() / static_cast<unsigned>(a.groups),
               static_cast<unsigned>(s.c));
  };
  if (!a.boxes.empty()) {
    const std::int64_t boxes = std::ssize(a.boxes) / kBoxMoments / s.blocks();
    return merge(gpu::BoxMoments{.moments = a.boxes.data(), .boxes = static_cast<unsigned>(boxes)});
  }
  const gpu::RunGrid grid = gpu::run_grid(s);
  VOX_LAUNCH(q, (gpu::moments_of_runs_kernel<T>), grid.count, gpu::kChunkThreads, 0, a.x.data(), a.partials.data(),
             grid);
  merge(gpu::RunMoments{.partials = a.partials.data(), .grid = grid});
}

VOX_INSTANTIATE(GpuQueue, batch_norm_statistics, BatchNormStatisticsArgs);

}  // namespace vox
