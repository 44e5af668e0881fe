#include "kernels/batch_norm.h"

#include <cmath>

#include "kernels/base/moments.h"
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
  return std::fma(momentum, batch, (1 - momentum) * running);  // in every kernel the same
}

/// Those of a channel's runs, as many in each case.
struct RunMoments {
  const double* partials;
  RunGrid grid;

  [[nodiscard]] unsigned of_case() const { return grid.per_row; }
  __device__ __forceinline__ Moments of(unsigned channel, unsigned i) const {
    return {.count = static_cast<double>(voxels_of_run(grid, i % grid.per_row)),
            .mean = partials_of(grid.of_channel, partials, channel, 2, 0)[i],
            .m2 = partials_of(grid.of_channel, partials, channel, 2, 1)[i]};
  }
};

/// Those of a convolution's boxes, Conv3dEpilogue::moments.
struct BoxMoments {
  const double* moments;
  unsigned boxes;  ///< of all cases
  unsigned cases;

  [[nodiscard]] unsigned of_case() const { return boxes / cases; }
  __device__ __forceinline__ Moments of(unsigned channel, unsigned i) const {
    constexpr auto kLanes = static_cast<unsigned>(kBlock8);
    const std::int64_t box = static_cast<std::int64_t>(channel / kLanes) * boxes + i;
    const double* const lane = moments + box * kBoxMoments + channel % kLanes;
    return {.count = lane[0], .mean = lane[kBlock8], .m2 = lane[2 * kBlock8]};
  }
};

/// Of a case's channel, from its `of_case` parts: the distances of their means are taken from the first one.
template <class Source>
__device__ __forceinline__ Moments moments_of_case(const Source& source, unsigned channel, unsigned n, unsigned of_case,
                                                   double count) {
  constexpr unsigned kTogether = 4;  // on their way at a time
  const unsigned before = n * of_case;
  const double about = source.of(channel, before).mean;
  double sum[2] = {0, 0};
  for (unsigned first = threadIdx.x; first < of_case; first += kTogether * kChunkThreads) {
    Moments read[kTogether];
    VOX_UNROLL
    for (unsigned k = 0; k < kTogether; ++k) {
      const unsigned i = first + k * kChunkThreads;
      read[k] = i < of_case ? source.of(channel, before + i) : Moments{.count = 0, .mean = about, .m2 = 0};
    }
    VOX_UNROLL
    for (unsigned k = 0; k < kTogether; ++k) {
      const double d = read[k].mean - about;
      sum[0] += read[k].count * d;
      sum[1] += read[k].m2 + read[k].count * d * d;
    }
  }
  block_sum(sum);
  return {.count = count, .mean = about + sum[0] / count, .m2 = sum[1] - sum[0] * sum[0] / count};
}

/// What a group's moments come to.
template <class A>
__device__ __forceinline__ void write_moments(const BatchNormMoments<A>& out, double momentum, unsigned at,
                                              unsigned channel, const Moments& m) {
  out.mean[at] = static_cast<A>(m.mean);
  out.variance[at] = static_cast<A>(m.m2 / m.count);
  if (out.running_mean == nullptr) { return; }
  out.running_mean[channel] = static_cast<A>(blend(static_cast<double>(out.running_mean[channel]), momentum, m.mean));
  out.running_variance[channel] =
      static_cast<A>(blend(static_cast<double>(out.running_variance[channel]), momentum, m.m2 / (m.count - 1)));
}

/// Merges moments, one block of threads per group and channel, case after case. of_case: parts of a case; voxels: of a
/// case. case_moments: where each case's go, and nothing else is written; or null.
template <class A, class Source>
__global__ void batch_norm_moments_kernel(Source source, BatchNormMoments<A> out, double momentum, double voxels,
                                          unsigned of_case, unsigned cases_of_group, unsigned channels,
                                          double* case_moments) {
  wait_for_launches_before();
  const unsigned channel = blockIdx.x % channels;
  const unsigned first = blockIdx.x / channels * cases_of_group;
  Moments total{.count = 0, .mean = 0, .m2 = 0};
  VOX_NO_UNROLL
  for (unsigned n = first; n < first + cases_of_group; ++n) {
    const Moments m = moments_of_case(source, channel, n, of_case, voxels);
    total.merge(m);
    if (case_moments != nullptr && threadIdx.x == 0) {
      double* const to = case_moments + (static_cast<std::int64_t>(n) * channels + channel) * kCaseMoments;
      to[0] = m.count;
      to[1] = m.mean;
      to[2] = m.m2;
    }
    __syncthreads();  // the sums of the next case go where this one's were
  }
  if (threadIdx.x == 0 && case_moments == nullptr) { write_moments(out, momentum, blockIdx.x, channel, total); }
}

/// The same from the moments of cases: one thread per group and channel.
template <class A>
__global__ void batch_norm_merge_kernel(const double* moments, BatchNormMoments<A> out, double momentum,
                                        unsigned cases_of_group, unsigned channels, unsigned count) {
  wait_for_launches_before();
  const unsigned at = blockIdx.x * blockDim.x + threadIdx.x;
  if (at >= count) { return; }
  const unsigned channel = at % channels;
  const unsigned first = at / channels * cases_of_group;
  Moments total{.count = 0, .mean = 0, .m2 = 0};
  for (unsigned n = first; n < first + cases_of_group; ++n) {
    const double* const from = moments + (static_cast<std::int64_t>(n) * channels + channel) * kCaseMoments;
    total.merge({.count = from[0], .mean = from[1], .m2 = from[2]});
  }
  write_moments(out, momentum, at, channel, total);
}

}  // namespace gpu

template <class T> void batch_norm_statistics(GpuQueue& q, const BatchNormStatisticsArgs<T>& a) {
  const VolumeShape& s = a.shape;
  const gpu::BatchNormMoments<Acc<T>> out{.mean = a.mean.data(),
                                          .variance = a.variance.data(),
                                          .running_mean = a.running_mean.data(),
                                          .running_variance = a.running_variance.data()};
  const auto cases = static_cast<unsigned>(s.n / a.groups);
  const auto channels = static_cast<unsigned>(s.c);
  const auto count = static_cast<unsigned>(a.groups) * channels;
  if (!a.all_moments.empty()) {
    VOX_LAUNCH(q, (gpu::batch_norm_merge_kernel<Acc<T>>), gpu::blocks_for(count, gpu::kChunkThreads),
               gpu::kChunkThreads, 0, a.all_moments.data(), out, a.momentum, cases, channels, count);
    return;
  }
  const auto merge = [&](const auto& source) {
    VOX_LAUNCH(q, (gpu::batch_norm_moments_kernel<Acc<T>, std::decay_t<decltype(source)>>), count, gpu::kChunkThreads,
               0, source, out, a.momentum, static_cast<double>(s.voxels()), source.of_case(), cases, channels,
               a.case_moments.data());
  };
  if (!a.boxes.empty()) {
    const std::int64_t boxes = std::ssize(a.boxes) / kBoxMoments / s.blocks();
    return merge(gpu::BoxMoments{
        .moments = a.boxes.data(), .boxes = static_cast<unsigned>(boxes), .cases = static_cast<unsigned>(s.n)});
  }
  const gpu::RunGrid grid = gpu::run_grid(s);
  VOX_LAUNCH(q, (gpu::moments_of_runs_kernel<T>), grid.count, gpu::kChunkThreads, 0, a.x.data(), a.partials.data(),
             grid);
  merge(gpu::RunMoments{.partials = a.partials.data(), .grid = grid});
}

VOX_INSTANTIATE(GpuQueue, batch_norm_statistics, BatchNormStatisticsArgs);

}  // namespace vox
