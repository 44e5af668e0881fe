#pragma once

#include <algorithm>

#include "kernels/cuda/conv3d/march.cuh"

/// Before a march: packing the weights, and its launch.
namespace vox::gpu {

/// Element `tap` of the weight from input channel i to output channel o of the pass, zero where there is none. Spread
/// is a correlation too, with the taps read backwards.
template <class T> struct PackArgs {
  const Acc<T>* weight;
  int in_channels;
  int out_channels;
  int steps;
  int spread;
};
template <class T> __device__ __forceinline__ Acc<T> march_weight(const PackArgs<T>& a, int o, int i, int tap) {
  if (o >= a.out_channels || i >= a.in_channels) { return Acc<T>{0}; }
  const std::int64_t pair = a.spread != 0 ? static_cast<std::int64_t>(i) * a.out_channels + o
                                          : static_cast<std::int64_t>(o) * a.in_channels + i;
  return rounded<T>(a.weight[pair * 27 + (a.spread != 0 ? 26 - tap : tap)]);
}

template <class T>
[[nodiscard]] MarchArgs<T> march_args(const Convolve<T>& a, const Conv3dMarch& m, int steps, int steps_per_group,
                                      Taps taps = Taps::all) {
  const int share_steps = static_cast<int>(std::min<std::int64_t>(steps, m.share_steps * steps_per_group));
  return {.in = a.in,
          .packed = a.scratch,
          .bias = a.bias,
          .out = a.out,
          .cases = static_cast<int>(m.out.n),
          .d = static_cast<int>(m.out.d),
          .h = static_cast<int>(m.out.h),
          .w = static_cast<int>(m.out.w),
          .in_blocks = static_cast<int>(m.in.blocks()),
          .out_blocks = static_cast<int>(m.out.blocks()),
          .out_channels = static_cast<int>(m.out.c),
          .tiles_w = static_cast<int>(m.tiles_w),
          .tiles_h = static_cast<int>(m.tiles_h),
          .groups = static_cast<int>(m.groups),
          .parts = static_cast<int>(m.parts),
          .depth = static_cast<int>(m.depth),
          .steps = steps,
          .share_steps = share_steps,
          .shares = static_cast<int>(m.shares),
          .partial = a.scratch + m.packed_elements(),
          .resident = share_steps * m.warps_n * chunk_bytes(taps) <= kResidentBytes ? 1 : 0,
          .relu = a.epilogue.relu ? 1 : 0,
          .moments = a.epilogue.moments.data(),
          .gradient = taken(a.gradient, m.out)};
}

/// Are there thread blocks for more than two thirds of the warps that a large GPU runs at a time?
template <class Tile> [[nodiscard]] bool march_fills_gpu(std::int64_t blocks) {
  return blocks * Tile::kThreads * 3 > kWantedMarches * 128 * 2;
}

template <class Tile, class T> [[nodiscard]] std::size_t march_shared_bytes(const MarchArgs<T>& a) {
  constexpr int kInputs = kStages * Tile::kInputCells * 16;
  static_assert(kInputs + kResidentBytes <= kSharedBytesEverywhere);
  static_assert(kInputs + kStages * Tile::kWarpsN * Tile::kChunkBytes <= kSharedBytesEverywhere);
  const int chunks = a.resident != 0 ? a.share_steps : kStages;
  return static_cast<std::size_t>(chunks * Tile::kWarpsN * Tile::kChunkBytes + kInputs) +
         static_cast<std::size_t>(a.share_steps) * sizeof(MarchPlanes<T>);
}

}  // namespace vox::gpu
