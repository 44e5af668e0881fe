#pragma once

#include "kernels/cuda/conv3d/march_gradient.cuh"
#include "kernels/cuda/conv3d/tensor_core_store.cuh"

/// As tensor_core_store.cuh, of a gradient of which batch norm wants sums.
namespace vox::gpu {

/// Writes the warp's voxels of one output slice and adds their sums to the lane's: reads batch norm's x where it
/// writes. No bias, no relu.
template <class Tile, bool LEAKS>
__device__ __forceinline__ void store_gradient(const MarchArgs<Bf16>& a, int d, const MarchWarp<Bf16>& my,
                                               float (&acc)[4][2][4], float& moment) {
  const int lane = static_cast<int>(threadIdx.x % 32);
  const int rows = my.w + lane / 4 < a.w ? a.h - my.h : 0;
  const std::int64_t offset = static_cast<std::int64_t>(d) * (a.h * a.w * 8) + lane / 4 * 8 + lane % 4 * 2;
  float sums[8] = {};  // [n8 tile][channel][of g, of g * (x - mean)]
  VOX_UNROLL
  for (int b = 0; b < 2; ++b) {
    if (my.out[b] == nullptr) { break; }
    const int channel = my.channel + b * 8 + lane % 4 * 2;
    if (channel + 1 >= a.out_channels) { finish(a, b, channel, acc); }
    Bf16* const out = my.out[b] + offset;
    const std::int64_t place = out - a.out.first;
    const auto* const from = reinterpret_cast<const std::uint32_t*>(a.gradient.x + place);
    std::uint32_t x[8];
    VOX_UNROLL
    for (int row = 0; row < 8; ++row) { x[row] = row < rows ? from[row * (a.w * 4)] : 0; }
    [[maybe_unused]] RowsKept drawn(LEAKS ? 0 : rows);
    const auto kept = [&](int row, [[maybe_unused]] int i) {
      if constexpr (LEAKS) { return row < rows; }
      return drawn.passes(row, i);
    };
    const GradientFactors<Tile>& factors = gradient_factors<Tile>();
    if (!LEAKS && a.gradient.drops) {
      draw_rows(a.gradient.activation, factors.step, static_cast<std::uint64_t>(place) / 4,
                static_cast<unsigned>(a.w) * 2U, drawn);
    }
    const int c = march_group<Tile>(static_cast<int>(threadIdx.x) / 32) * 16 + b * 8 + lane % 4 * 2;
    const auto slope = load_pack<2>(factors.slope + c);
    const auto shift = load_pack<2>(factors.shift + c);
    const auto mean = load_pack<2>(factors.mean + c);
    VOX_UNROLL
    for (int row = 0; row < 8; ++row) {
      const std::uint32_t word = bf16x2_rn(acc[row / 2][b][row % 2 * 2], acc[row / 2][b][row % 2 * 2 + 1]);
      if (row < rows) { *reinterpret_cast<std::uint32_t*>(out + static_cast<std::int64_t>(row) * (a.w * 8)) = word; }
      add_gradient<LEAKS>(a.gradient.activation, word, x[row], kept, row, slope, shift, mean, sums + b * 4);
    }
  }
  moment += sum_of_eight<4>(sums);
}

}  // namespace vox::gpu
