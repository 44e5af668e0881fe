#pragma once

#include "kernels/cuda/gpu.h"
#include "tests/simt/planted.h"

namespace vox::gpu {

/// y[t] = 2t+1 for t < 64, through shared memory; other is memory that only the bugs touch.
template <planted::Edge Bug> __global__ void edge_kernel(const float* other, float* y) {
  using enum planted::Edge;
  VOX_DYNAMIC_SHARED(float, dynamic);
  VOX_SHARED(float, rows, [4][33]);
  const int t = static_cast<int>(threadIdx.x);
  dynamic[t] = static_cast<float>(2 * t);
  for (int r = 0; r < 4 && t < 33; ++r) { rows[r][t] = 1.0F; }
  if (Bug == leaves_before_barrier && t >= 60) { return; }
  __syncthreads();
  float sum = dynamic[t] + 1.0F;
  if (Bug == reads_past_dynamic_shared) { sum += 0.0F * dynamic[t + 1]; }
  if (Bug == reads_past_row_of_shared) { sum += rows[1][t == 31 ? 33 : 0] - 1.0F; }
  if (Bug == reads_host_memory || Bug == reads_freed_memory) { sum += 0.0F * other[t]; }
  if (Bug == all_store_one_place) { y[0] = 1.0F; }
  if (Bug == loads_vector_unaligned && t < 8) { sum += 0.0F * load_pack<4>(other + 1 + 4 * t).v[0]; }
  if (Bug == shuffle_as_barrier) {
    dynamic[t] = sum;
    __shfl_sync(0xFFFFFFFFU, sum, 0);
    sum = sum + 0.0F * dynamic[t ^ 1];
  }
  y[t] = sum;
}

/// y[t] = t+1 for t < 64, through the last of its own shared memory and the first of what the launch adds.
template <planted::Shared Bug> __global__ void shared_kernel(float* y) {
  using enum planted::Shared;
  constexpr int kKiB = Bug == not_asked_for ? 33 : Bug == more_than_a_kernel_has ? 49 : 32;
  VOX_DYNAMIC_SHARED(float, dynamic);
  VOX_SHARED(float, own, [kKiB * 256]);
  const int t = static_cast<int>(threadIdx.x);
  own[kKiB * 256 - 64 + t] = 1.0F;
  dynamic[t] = static_cast<float>(t);
  __syncthreads();
  y[t] = dynamic[t ^ 1] + own[kKiB * 256 - 64 + (t ^ 1)] + static_cast<float>(t - (t ^ 1));
}

/// y[b] = the sum of x, of one number per block: what every block reads, and what a later launch may write.
template <planted::Edge Bug> __global__ void turns_kernel(float* x, float* y) {
  if (threadIdx.x != 0) { return; }
  float sum = 0;
  for (unsigned b = 0; b < gridDim.x; ++b) { sum += x[b]; }
  y[blockIdx.x] = sum;
  if (Bug == planted::Edge::writes_what_others_read) { x[blockIdx.x] = sum; }
}

/// y[t] = 1: threads that write a byte each, side by side.
template <planted::Edge Bug> __global__ void bytes_kernel(unsigned char* y) {
  y[threadIdx.x] = 1;
  if (Bug == planted::Edge::writes_neighbours_byte) { y[threadIdx.x ^ 1U] = 1; }
}

/// Each block writes one number; the last one to finish adds them up: y[0] = number of blocks.
template <planted::Edge Bug> __global__ void last_block_kernel(float* partial, unsigned* count, float* y) {
  if (threadIdx.x != 0) { return; }
  partial[blockIdx.x] = 1.0F;
  if (Bug != planted::Edge::publishes_without_fence) { __threadfence(); }
  if (atomicAdd(count, 1U) != gridDim.x - 1) { return; }
  __threadfence();
  float sum = 0;
  for (unsigned b = 0; b < gridDim.x; ++b) { sum += partial[b]; }
  y[0] = sum;
}

}  // namespace vox::gpu
