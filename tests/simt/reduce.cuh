#pragma once

#include "kernels/cuda/gpu.h"
#include "tests/simt/planted.h"

namespace vox::gpu {

/// out += sum of x: a stride over the grid, shuffles, one partial sum per warp, one atomic per block.
template <planted::Reduce Bug> __global__ void reduce_kernel(const unsigned* x, int count, unsigned* out) {
  using enum planted::Reduce;
  VOX_SHARED(unsigned, partial, [32]);
  constexpr unsigned kAll = 0xFFFFFFFFU;
  const int thread = static_cast<int>(threadIdx.x);
  const int lane = thread & 31;
  const int warp = thread >> 5;
  const int warps = static_cast<int>(blockDim.x) >> 5;
  const int first = static_cast<int>(blockIdx.x * blockDim.x) + thread;
  if (Bug == early_return_before_barrier && first >= count) { return; }
  unsigned sum = 0;
  for (int i = first; i < count; i += static_cast<int>(gridDim.x * blockDim.x)) { sum += x[i]; }
  if (Bug != shuffle_in_divergent_branch || first < count) {
    for (unsigned by = Bug == shuffle_starts_at_8 ? 8 : 16; by != 0; by /= 2) {
      sum += __shfl_down_sync(kAll, sum, by);
    }
  }
  if (lane == 0) { partial[warp] = sum; }
  if (Bug == barrier_for_one_warp_only) {
    if (warp == 0) { __syncthreads(); }
  } else if (Bug != no_barrier_before_last_warp) {
    __syncthreads();
  }
  if (warp == 0) {
    sum = Bug == reads_partials_nobody_wrote || lane < warps ? partial[lane] : 0;
    for (int bits = 16; bits != 0; bits /= 2) { sum += __shfl_xor_sync(kAll, sum, bits); }
    if (lane == 0) {
      if (Bug == plain_add_instead_of_atomic) {
        *out += sum;
      } else {
        atomicAdd(out, sum);
      }
    }
  }
  if (Bug == two_barriers_in_two_branches) {
    if ((warp & 1) != 0) {  // NOLINT(bugprone-branch-clone)
      __syncthreads();
    } else {
      __syncthreads();
    }
  }
}

/// list = indices of the entries above `limit`, in any order; count = how many.
template <planted::Compact Bug>
__global__ void compact_kernel(const unsigned* x, int n, unsigned limit, unsigned* count, int* list) {
  using enum planted::Compact;
  VOX_SHARED(unsigned, block, [2]);
  const int i = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  const unsigned lane = threadIdx.x & 31U;
  if (threadIdx.x == 0) { block[0] = 0; }
  if (Bug != no_barrier_after_zeroing) { __syncthreads(); }
  const bool wanted = i < n && x[i] > limit;
  const unsigned votes = __ballot_sync(0xFFFFFFFFU, static_cast<int>(wanted));
  const auto many = static_cast<unsigned>(__popc(votes));
  unsigned base = 0;
  if (lane == 0) {
    if (Bug == plain_add_on_counter) {
      base = block[0];
      block[0] = base + many;
    } else {
      base = atomicAdd(&block[0], many);
    }
  }
  base = __shfl_sync(0xFFFFFFFFU, base, 0);
  __syncthreads();
  if (threadIdx.x == 0) { block[1] = atomicAdd(count, block[0]); }
  __syncthreads();
  if (wanted) { list[block[1] + base + static_cast<unsigned>(__popc(votes & ((1U << lane) - 1)))] = i; }
}

}  // namespace vox::gpu
