#pragma once

#include "kernels/cuda/gpu.h"
#include "tests/simt/planted.h"

namespace vox::gpu {

/// C[M,N] = A[M,K]*B[K,N]: tiles of 32x32 in shared memory, 16x16 threads, each 2x2 outputs.
template <planted::Gemm Bug>
__global__ void gemm_kernel(const float* a, const float* b, float* c, int m, int n, int k) {
  using enum planted::Gemm;
  constexpr int kTile = 32;
  constexpr int kDepth = 16;
  VOX_SHARED(float, tile_a, [kTile][kDepth + 1]);
  VOX_SHARED(float, tile_b, [kDepth][kTile + 1]);
  const int tx = static_cast<int>(threadIdx.x);
  const int ty = static_cast<int>(threadIdx.y);
  const int row0 = static_cast<int>(blockIdx.y) * kTile;
  const int col0 = static_cast<int>(blockIdx.x) * kTile;
  float sums[2][2] = {};
  for (int k0 = 0; k0 < k; k0 += kDepth) {
    for (int i = ty * 16 + tx; i < kTile * kDepth; i += 256) {
      const int row = i / kDepth;
      const int at = i % kDepth;
      const bool inside = (Bug == loads_row_past_the_end ? row0 + row <= m : row0 + row < m) && k0 + at < k;
      if (Bug != tail_not_zero_filled || inside) { tile_a[row][at] = inside ? a[(row0 + row) * k + k0 + at] : 0.0F; }
      const int at_b = i / kTile;
      const int col = i % kTile;
      tile_b[at_b][col] = k0 + at_b < k && col0 + col < n ? b[(k0 + at_b) * n + col0 + col] : 0.0F;
    }
    if (Bug != no_barrier_after_load) { __syncthreads(); }
    VOX_UNROLL
    for (int at = 0; at < (Bug == reads_the_pad_column ? kDepth + 1 : kDepth); ++at) {
      for (int i = 0; i < 2; ++i) {
        for (int j = 0; j < 2; ++j) {
          const float other = Bug == tile_indexed_transposed                ? tile_b[tx][at + 16 * j]
                              : Bug == reads_the_pad_column && at == kDepth ? 0.0F
                                                                            : tile_b[at][tx + 16 * j];
          sums[i][j] += tile_a[ty + 16 * i][at] * other;
        }
      }
    }
    if (Bug != no_barrier_before_next_load) { __syncthreads(); }
  }
  for (int i = 0; i < 2; ++i) {
    for (int j = 0; j < 2; ++j) {
      const int row = row0 + ty + 16 * i;
      const int col = col0 + tx + 16 * j;
      if ((Bug == stores_row_past_the_end ? row <= m : row < m) && col < n) { c[row * n + col] = sums[i][j]; }
    }
  }
}

}  // namespace vox::gpu
