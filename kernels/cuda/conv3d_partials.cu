#include "kernels/cuda/conv3d.cuh"

// The second stage of every weight gradient: the elements of all splits are added, in a fixed order, and put where the
// parameter has them. Neighbouring threads read neighbouring elements. Where the splits are many, LANES threads have an
// element, each every LANES-th split, and their sums are added in order.

namespace vox::gpu {

inline constexpr int kPartialThreads = 256;
inline constexpr int kPartialLanes = 8;

template <class A>
__device__ __forceinline__ void put_weight(const Partials<A>& a, std::int64_t e, int in_groups, A sum) {
  const int o_of_group = static_cast<int>(e % a.out_group);
  const std::int64_t rest = e / a.out_group;
  const int i_of_group = static_cast<int>(rest % a.in_group);
  const int tap = static_cast<int>(rest / a.in_group % a.taps);
  const int groups = static_cast<int>(rest / a.in_group / a.taps);
  const int i = groups % in_groups * a.in_group + i_of_group;
  const int o = groups / in_groups * a.out_group + o_of_group;
  if (i < a.in_channels && o < a.out_channels) {
    a.dweight[(static_cast<std::int64_t>(o) * a.in_channels + i) * a.taps + tap] = sum;
  }
}

template <class A, int LANES> __global__ void sum_partials_kernel(Partials<A> a, std::int64_t elements, int in_groups) {
  constexpr int kElements = kPartialThreads / LANES;  // of a thread block
  const int lane = static_cast<int>(threadIdx.x) / kElements;
  const int of_block = static_cast<int>(threadIdx.x) % kElements;
  const std::int64_t e = static_cast<std::int64_t>(blockIdx.x) * kElements + of_block;
  A sum{0};
  if (e < elements) {
    for (int s = lane; s < a.splits; s += LANES) { sum += a.partial[s * elements + e]; }
  }
  if constexpr (LANES > 1) {
    VOX_SHARED(A, of_lane, [LANES][kElements]);
    of_lane[lane][of_block] = sum;
    __syncthreads();
    sum = 0;
    VOX_UNROLL
    for (int l = 0; l < LANES; ++l) { sum += of_lane[l][of_block]; }
  }
  if (lane == 0 && e < elements) { put_weight(a, e, in_groups, sum); }
}

template <class A> void sum_partials(GpuQueue& q, const Partials<A>& a) {
  const int in_groups = (a.in_channels + a.in_group - 1) / a.in_group;
  const int out_groups = (a.out_channels + a.out_group - 1) / a.out_group;
  const std::int64_t elements = std::int64_t{out_groups} * in_groups * a.taps * a.in_group * a.out_group;
  if (a.splits >= 2 * kPartialLanes) {
    VOX_LAUNCH(q, (sum_partials_kernel<A, kPartialLanes>), blocks_for(elements, kPartialThreads / kPartialLanes),
               kPartialThreads, 0, a, elements, in_groups);
  } else {
    VOX_LAUNCH(q, (sum_partials_kernel<A, 1>), blocks_for(elements, kPartialThreads), kPartialThreads, 0, a, elements,
               in_groups);
  }
}

template void sum_partials(GpuQueue&, const Partials<float>&);
template void sum_partials(GpuQueue&, const Partials<double>&);

}  // namespace vox::gpu
