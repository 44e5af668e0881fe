#pragma once

#include "kernels/cuda/gpu.h"
#include "tests/simt/planted.h"

namespace vox::gpu {

/// 3x3x3 convolution, padding 1: x[D,H,W,16], w[27][32][16] of bf16, y[D,H,W,32] of float, as 27 products of 64 voxels
/// by 32 channels on the tensor cores, fed by cp.async with two buffers. 128 threads; a warp has 16 of the voxels.
template <planted::Convolution Bug>
__global__ void convolution_kernel(const Bf16* x, const Bf16* w, float* y, int depth, int height, int width) {
  using enum planted::Convolution;
  constexpr int kIn = 16;
  constexpr int kOut = 32;
  constexpr int kVoxels = 64;
  constexpr int kPitch = Bug == row_pitch_unaligned ? kIn + 4 : kIn + 8;
  VOX_SHARED(Bf16, tile_x, [2][kVoxels][kPitch]);
  VOX_SHARED(Bf16, tile_w, [2][kOut][kPitch]);
  const int thread = static_cast<int>(threadIdx.x);
  const int lane = thread & 31;
  const int warp = thread >> 5;
  const int voxels = depth * height * width;
  const int first = static_cast<int>(blockIdx.x) * kVoxels;
  const auto load_tap = [&](int stage, int tap) {
    const int dz = tap / 9 - 1;
    const int dy = tap / 3 % 3 - 1;
    const int dx = tap % 3 - 1;
    for (int i = thread; i < kVoxels * 2; i += 128) {
      const int row = i / 2;
      const int v = first + row;
      const int z = v / (height * width) + dz;
      const int h = v / width % height + dy;
      const int u = v % width + dx;
      const bool halo = z >= 0 && z < depth && h >= 0 && h < height && u >= 0 && u < width;
      const bool inside = v < voxels && (Bug == no_halo_test || halo);
      const Bf16* from = inside ? x + (v + (dz * height + dy) * width + dx) * kIn + i % 2 * 8 : x;
      cp_async_zfill<16>(&tile_x[stage][row][i % 2 * 8], from, inside ? 16 : 0);
    }
    for (int i = thread; i < (Bug == loads_one_row_too_many ? kOut + 1 : kOut) * 2; i += 128) {
      const int row = i / 2;
      cp_async<16>(&tile_w[stage][row][i % 2 * 8], w + (tap * kOut + row % kOut) * kIn + i % 2 * 8);
    }
  };
  float sums[kOut / 8][4] = {};
  load_tap(0, 0);
  if (Bug != first_commit_missing) { cp_async_commit(); }
  for (int tap = 0; tap < 27; ++tap) {
    const int stage = tap & 1;
    if (tap + 1 < 27) { load_tap(stage ^ 1, tap + 1); }
    cp_async_commit();
    if (Bug == waits_for_too_few_groups) {
      cp_async_wait<2>();
    } else if (Bug != never_waits_for_copies) {
      cp_async_wait<1>();
    }
    if (Bug != no_barrier_after_wait) { __syncthreads(); }
    std::uint32_t a[4];
    ldmatrix_x4(a, &tile_x[stage][warp * 16 + (lane & 15)][(lane >> 4) * 8]);
    if (Bug == a_registers_swapped) {
      const std::uint32_t second = a[1];
      a[1] = a[2];
      a[2] = second;
    }
    VOX_UNROLL
    for (int n = 0; n < kOut; n += 16) {
      std::uint32_t b[4];
      ldmatrix_x4(b, &tile_w[stage][n + (lane & 7) + ((lane >> 4) << 3)][((lane >> 3) & 1) * 8]);
      const std::uint32_t low[2] = {b[0], b[1]};
      const std::uint32_t high[2] = {b[2], b[3]};
      if (Bug != mma_under_condition || first + warp * 16 + (lane >> 2) < voxels) {
        mma_m16n8k16_bf16(sums[n / 8], a, low, sums[n / 8]);
      }
      mma_m16n8k16_bf16(sums[n / 8 + 1], a, high, sums[n / 8 + 1]);
    }
    if (Bug != no_barrier_before_refill) { __syncthreads(); }
  }
  for (int n = 0; n < kOut / 8; ++n) {
    for (int e = 0; e < 4; ++e) {
      const int v = first + warp * 16 + (lane >> 2) + (e >> 1) * 8;
      const int column = Bug == wrong_result_column ? (lane & 3) + 4 * (e & 1) : (lane & 3) * 2 + (e & 1);
      if (v < voxels) { y[v * kOut + n * 8 + column] = sums[n][e]; }
    }
  }
}

}  // namespace vox::gpu
