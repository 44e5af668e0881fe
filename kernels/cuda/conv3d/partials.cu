#include "kernels/cuda/conv3d/phases.cuh"

// The second stage of every weight gradient: the elements of a case's shares are added, in a fixed order, and put where
// the parameter has them. Where the shares are many, LANES threads have an element, each every LANES-th share, and
// their sums are added in order. Where they are few there are many elements: a thread block has all taps of kPartialIn
// by kPartialOut channels, read in rows of kPartialOut and written, through shared memory, in rows of kPartialIn *
// taps.

namespace vox::gpu {

inline constexpr int kPartialThreads = 256;
inline constexpr int kPartialLoads = 8;  ///< of a thread, on their way together
inline constexpr int kPartialIn = 4;
inline constexpr int kPartialOut = 8;

/// Makes a that of this thread block's case; returns the block's number among those of the case.
template <class A>
__device__ __forceinline__ unsigned take_case(Partials<A>& a, std::int64_t elements, unsigned blocks_of_case) {
  const std::int64_t n = blockIdx.x / blocks_of_case;
  a.partial += n * a.shares * elements;
  a.dweight += n * a.out_channels * a.in_channels * (a.phase_blocks > 0 ? static_cast<int>(kTaps) : a.taps);
  return blockIdx.x % blocks_of_case;
}

template <class A>
__device__ __forceinline__ void put_weight(const Partials<A>& a, std::int64_t e, int in_groups, A sum) {
  const int o_of_group = static_cast<int>(e % a.out_group);
  const std::int64_t rest = e / a.out_group;
  const int i_of_group = static_cast<int>(rest % a.in_group);
  const int tap = static_cast<int>(rest / a.in_group % a.taps);
  const int groups = static_cast<int>(rest / a.in_group / a.taps);
  int i = groups % in_groups * a.in_group + i_of_group;
  int k = tap;
  int taps = a.taps;
  if (a.phase_blocks > 0) {
    const int phase = i / (a.phase_blocks * 8);
    i %= a.phase_blocks * 8;
    k = phase < 8 ? tap_of_phase(static_cast<unsigned>(phase), Conv3dPass::grad_weight, tap) : -1;
    taps = static_cast<int>(kTaps);
  }
  const int o = groups / in_groups * a.out_group + o_of_group;
  if (k >= 0 && i < a.in_channels && o < a.out_channels) {
    a.dweight[(static_cast<std::int64_t>(o) * a.in_channels + i) * taps + k] = sum;
  }
}

template <class A, int LANES>
__global__ void sum_partials_kernel(Partials<A> a, std::int64_t elements, int in_groups, unsigned blocks_of_case) {
  wait_for_launches_before();
  constexpr int kElements = kPartialThreads / LANES;  // of a thread block
  const unsigned block = take_case(a, elements, blocks_of_case);
  const int lane = static_cast<int>(threadIdx.x) / kElements;
  const int of_block = static_cast<int>(threadIdx.x) % kElements;
  const std::int64_t e = static_cast<std::int64_t>(block) * kElements + of_block;
  A sum{0};
  if (e < elements) {
    const A* from = a.partial + lane * elements + e;
    const std::int64_t step = LANES * elements;
    VOX_NO_UNROLL
    for (int s = lane; s < a.shares; s += kPartialLoads * LANES) {
      A part[kPartialLoads];
      VOX_UNROLL
      for (int k = 0; k < kPartialLoads; ++k) { part[k] = s + k * LANES < a.shares ? from[k * step] : A{0}; }
      VOX_UNROLL
      for (int k = 0; k < kPartialLoads; ++k) { sum += part[k]; }
      from += kPartialLoads * step;
    }
  }
  VOX_SHARED(A, of_lane, [LANES][kElements]);
  of_lane[lane][of_block] = sum;
  __syncthreads();
  if (lane != 0 || e >= elements) { return; }
  VOX_UNROLL
  for (int l = 1; l < LANES; ++l) { sum += of_lane[l][of_block]; }
  put_weight(a, e, in_groups, sum);
}

template <class A>
__global__ void turn_partials_kernel(Partials<A> a, std::int64_t elements, int in_groups, unsigned blocks_of_case) {
  wait_for_launches_before();
  constexpr int kTurns = 4;  // elements of a thread on their way together
  VOX_SHARED(A, turned, [kPartialOut * kPartialIn * kTaps]);
  const unsigned block = take_case(a, elements, blocks_of_case);
  const int in_parts = a.in_group / kPartialIn;
  const int out_parts = a.out_group / kPartialOut;
  const int part = static_cast<int>(block) % (in_parts * out_parts);
  const int tile = static_cast<int>(block) / (in_parts * out_parts);
  const int i_first = part / out_parts * kPartialIn;  // of the group
  const int o_first = part % out_parts * kPartialOut;
  const A* const from =
      a.partial + static_cast<std::int64_t>(tile) * a.taps * a.in_group * a.out_group + i_first * a.out_group + o_first;
  const int row = kPartialIn * a.taps;
  const int pitch = row + 1 - a.taps % 2;  // no bank conflicts: a warp writes 8 rows by 4 input channels
  const int count = row * kPartialOut;
  VOX_NO_UNROLL
  for (int first = static_cast<int>(threadIdx.x); first < count; first += kTurns * kPartialThreads) {
    A sum[kTurns] = {};
    int at[kTurns];
    VOX_UNROLL
    for (int k = 0; k < kTurns; ++k) {
      const int e = first + k * kPartialThreads;
      at[k] =
          (e / (kPartialOut * kPartialIn) * a.in_group + e / kPartialOut % kPartialIn) * a.out_group + e % kPartialOut;
    }
    const A* of_share = from;
    VOX_NO_UNROLL
    for (int s = 0; s < a.shares; ++s, of_share += elements) {
      VOX_UNROLL
      for (int k = 0; k < kTurns; ++k) {
        if (first + k * kPartialThreads < count) { sum[k] += of_share[at[k]]; }
      }
    }
    VOX_UNROLL
    for (int k = 0; k < kTurns; ++k) {
      const int e = first + k * kPartialThreads;
      if (e < count) {
        turned[e % kPartialOut * pitch + e / kPartialOut % kPartialIn * a.taps + e / (kPartialOut * kPartialIn)] =
            sum[k];
      }
    }
  }
  __syncthreads();
  const int i = tile % in_groups * a.in_group + i_first;
  static_assert(kPartialThreads == 32 * kPartialOut);  // a warp writes a row
  const int of_part = static_cast<int>(threadIdx.x) / 32;
  const int o = tile / in_groups * a.out_group + o_first + of_part;
  const int there = o < a.out_channels ? min(row, (a.in_channels - i) * a.taps) : 0;
  VOX_NO_UNROLL
  for (int r = static_cast<int>(threadIdx.x) % 32; r < there; r += 32) {
    a.dweight[(static_cast<std::int64_t>(o) * a.in_channels + i) * a.taps + r] = turned[of_part * pitch + r];
  }
}

template <class A, int LANES>
void launch_sum_partials(GpuQueue& q, const Partials<A>& a, std::int64_t elements, int in_groups) {
  const unsigned of_case = blocks_for(elements, kPartialThreads / LANES);
  VOX_LAUNCH(q, (sum_partials_kernel<A, LANES>), of_case * static_cast<unsigned>(a.cases), kPartialThreads, 0, a,
             elements, in_groups, of_case);
}

template <class A> void sum_partials(GpuQueue& q, const Partials<A>& a) {
  constexpr int kFew = 16;
  constexpr int kMany = 128;
  const int in_channels = a.phase_blocks > 0 ? a.phase_blocks * 8 * 8 : a.in_channels;
  const int in_groups = (in_channels + a.in_group - 1) / a.in_group;
  const int out_groups = (a.out_channels + a.out_group - 1) / a.out_group;
  const std::int64_t tiles = std::int64_t{out_groups} * in_groups;
  const std::int64_t elements = tiles * a.taps * a.in_group * a.out_group;
  if (a.shares < kFew && a.in_group % kPartialIn == 0 && a.out_group % kPartialOut == 0 && a.taps <= kTaps &&
      a.phase_blocks == 0) {
    const auto of_case = static_cast<unsigned>(tiles * (a.in_group / kPartialIn) * (a.out_group / kPartialOut));
    VOX_LAUNCH(q, (turn_partials_kernel<A>), of_case * static_cast<unsigned>(a.cases), kPartialThreads, 0, a, elements,
               in_groups, of_case);
  } else if (a.shares < kFew) {
    launch_sum_partials<A, 1>(q, a, elements, in_groups);
  } else if (a.shares < kMany) {
    launch_sum_partials<A, 8>(q, a, elements, in_groups);
  } else {
    launch_sum_partials<A, 32>(q, a, elements, in_groups);
  }
}

template void sum_partials(GpuQueue&, const Partials<float>&);
template void sum_partials(GpuQueue&, const Partials<double>&);

}  // namespace vox::gpu
