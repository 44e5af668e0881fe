#include "kernels/cuda/conv3d.cuh"

// The second stage of every weight gradient: thread e adds element e of all splits, in order, and puts the sum where
// the parameter has it. Neighbouring threads read neighbouring elements.

namespace vox::gpu {

inline constexpr int kPartialThreads = 128;

template <class A> __global__ void sum_partials_kernel(Partials<A> a, std::int64_t elements, int in_groups) {
  const std::int64_t e = static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (e >= elements) { return; }
  A sum{0};
  for (int s = 0; s < a.splits; ++s) { sum += a.partial[s * elements + e]; }
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

template <class A> void sum_partials(GpuQueue& q, const Partials<A>& a) {
  const int in_groups = (a.in_channels + a.in_group - 1) / a.in_group;
  const int out_groups = (a.out_channels + a.out_group - 1) / a.out_group;
  const std::int64_t elements = std::int64_t{out_groups} * in_groups * a.taps * a.in_group * a.out_group;
  VOX_LAUNCH(q, (sum_partials_kernel<A>), blocks_for(elements, kPartialThreads), kPartialThreads, 0, a, elements,
             in_groups);
}

template void sum_partials(GpuQueue&, const Partials<float>&);
template void sum_partials(GpuQueue&, const Partials<double>&);

}  // namespace vox::gpu
