#pragma once

#include "kernels/cuda/gpu.h"
#include "tests/simt/planted.h"

namespace vox::gpu {

/// D[16,8] = A[16,8]*B[8,8] in tf32, by one warp.
template <planted::Tf32 Bug> __global__ void tf32_kernel(const float* a, const float* b, float* d) {
  const int lane = static_cast<int>(threadIdx.x);
  const int g = lane >> 2;
  const int t = lane & 3;
  const auto rounded = [](float v) {
    return Bug == planted::Tf32::operands_not_rounded ? __float_as_uint(v) : f32_to_tf32(v);
  };
  const std::uint32_t fragment_a[4] = {rounded(a[g * 8 + t]), rounded(a[(g + 8) * 8 + t]), rounded(a[g * 8 + t + 4]),
                                       rounded(a[(g + 8) * 8 + t + 4])};
  const std::uint32_t fragment_b[2] = {rounded(b[t * 8 + g]), rounded(b[(t + 4) * 8 + g])};
  const float zero[4] = {};
  float sums[4];
  mma_m16n8k8_tf32(sums, fragment_a, fragment_b, zero);
  for (int e = 0; e < 4; ++e) { d[(g + (e >> 1) * 8) * 8 + 2 * t + (e & 1)] = sums[e]; }
}

inline constexpr int kRingStages = 3;
inline constexpr int kRingTile = 256;

/// y = 2x+1: a producer thread fills a ring of buffers with bulk copies, four warps empty it (sm_90).
template <planted::Ring Bug> __global__ void ring_kernel(const float* x, float* y, int tiles) {
  using enum planted::Ring;
  VOX_DYNAMIC_SHARED(float, buffer);
  VOX_SHARED(mbar_t, full, [kRingStages]);
  VOX_SHARED(mbar_t, empty, [kRingStages]);
  const int thread = static_cast<int>(threadIdx.x);
  const int consumers = static_cast<int>(blockDim.x) - 32;
  if (thread == 0) {
    for (int s = 0; s < kRingStages; ++s) {
      mbar_init(&full[s], 1);
      mbar_init(&empty[s], static_cast<unsigned>(consumers));
    }
    mbar_fence_init();
  }
  if (Bug != no_barrier_after_init) { __syncthreads(); }
  for (int i = 0; i < tiles; ++i) {
    const int s = i % kRingStages;
    const auto phase = static_cast<unsigned>(i / kRingStages) & 1U;
    if (thread == 0) {
      constexpr unsigned kBytes = kRingTile * sizeof(float);
      if (Bug != producer_does_not_wait) { mbar_wait(&empty[s], phase ^ 1U); }
      mbar_arrive_expect_tx(&full[s], Bug == expects_too_few_bytes ? kBytes - 16 : kBytes);
      bulk_g2s(buffer + s * kRingTile, x + i * kRingTile, kBytes, &full[s]);
    }
    if (thread >= 32) {
      if (Bug != consumer_does_not_wait) { mbar_wait(&full[s], Bug == phase_never_flips ? 0 : phase); }
      for (int j = thread - 32; j < kRingTile; j += consumers) {
        y[i * kRingTile + j] = 2.0F * buffer[s * kRingTile + j] + 1.0F;
      }
      mbar_arrive(&empty[s]);
    }
  }
}

}  // namespace vox::gpu
