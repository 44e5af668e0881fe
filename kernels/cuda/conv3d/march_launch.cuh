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
[[nodiscard]] MarchArgs<T> march_args(const Convolve<T>& a, const Conv3dMarch& m, int steps, int steps_per_group) {
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
          .resident = share_steps * m.warps_n * kChunkBytes <= kResidentBytes ? 1 : 0,
          .relu = a.epilogue.relu ? 1 : 0,
          .moments = a.epilogue.moments.data(),
          .gradient = taken(a.gradient)};
}

/// Are there thread blocks for more than two thirds of the warps that a large GPU runs at a time?
template <class Tile> [[nodiscard]] bool march_fills_gpu(std::int64_t blocks) {
  return blocks * Tile::kThreads * 3 > kWantedMarches * 128 * 2;
}

template <class Tile, class T> [[nodiscard]] std::size_t march_shared_bytes(const MarchArgs<T>& a) {
  constexpr int kInputs = kStages * Tile::kInputCells * 16;
  static_assert(kInputs + kResidentBytes <= kSharedBytesEverywhere);
  static_assert(kInputs + kStages * Tile::kWarpsN * kChunkBytes <= kSharedBytesEverywhere);
  const int chunks = a.resident != 0 ? a.share_steps : kStages;
  return static_cast<std::size_t>(chunks * Tile::kWarpsN * kChunkBytes + kInputs) +
         static_cast<std::size_t>(a.share_steps) * sizeof(MarchPlanes<T>);
}

/// out = the sums of all shares, in order, and the bias; padding channels zero. A thread adds 16 bytes of sums.
template <class T> __global__ void sum_shares_kernel(MarchArgs<T> a, std::int64_t packs) {
  wait_for_launches_before();
  constexpr int kPack = kWide<Acc<T>>;
  constexpr int kTogether = 4;  ///< shares whose sums are read before they are added
  const std::int64_t pack = static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (pack >= packs) { return; }
  const Acc<T>* const from = a.partial + pack * kPack;
  Acc<T> sum[kPack] = {};
  for (int share = 0; share < a.shares; share += kTogether) {
    Pack<Acc<T>, kPack> read[kTogether];
    VOX_UNROLL
    for (int s = 0; s < kTogether; ++s) {
      read[s] = share + s < a.shares ? load_pack<kPack>(from + (share + s) * packs * kPack) : Pack<Acc<T>, kPack>{};
    }
    VOX_UNROLL
    for (int s = 0; s < kTogether; ++s) {
      VOX_UNROLL
      for (int c = 0; c < kPack; ++c) { sum[c] += read[s].v[c]; }
    }
  }
  const std::int64_t cell = pack / (8 / kPack);
  const int part = static_cast<int>(pack % (8 / kPack)) * kPack;
  const int voxels = a.d * a.h * a.w;
  const int block = static_cast<int>(cell / voxels % a.out_blocks);
  Pack<T, kPack> y;
  VOX_UNROLL
  for (int c = 0; c < kPack; ++c) {
    const int channel = block * 8 + part + c;
    const bool present = channel < a.out_channels;
    y.v[c] = store<T>(present ? sum[c] + (a.bias != nullptr ? a.bias[channel] : Acc<T>{0}) : Acc<T>{0});
  }
  store_pack(a.out.at(cell / voxels / a.out_blocks, block) + cell % voxels * 8 + part, y);
}
template <class T> void sum_shares(GpuQueue& q, const MarchArgs<T>& a) {
  if (a.shares == 1) { return; }
  constexpr int kThreads = 128;
  const std::int64_t packs = static_cast<std::int64_t>(a.cases) * a.out_blocks * a.d * a.h * a.w * (8 / kWide<Acc<T>>);
  VOX_LAUNCH(q, (sum_shares_kernel<T>), blocks_for(packs, kThreads), kThreads, 0, a, packs);
}

}  // namespace vox::gpu
