#pragma once

#include "kernels/cuda/conv3d/march_copy.cuh"

/// The march of a 3^3 convolution of stride 1 along D, which tiled and tensor_core share (kernels/plan/gpu.h says what
/// a thread block owns). For each input slice and each step of input channels the block copies the tile with its halo,
/// and the step's weights unless all of them stay, to one of kStages places in shared memory, a step ahead; then
/// every thread adds what the slice means for the output slices before, at and after it. So a slice is read once.
namespace vox::gpu {

/// The march itself. Algorithm gives:
///   kOneStep                                            is the number of steps known to be one?
///   using Tile, Sums;                                   Sums: what a thread holds, three output slices of it
///   using Source;                                       where its thread copies from, worked out once:
///     Source(a, h, w), clear(to)                        the tile's first voxel with halo; zero what no copy writes
///     copy(to, planes, offset)                          the tile of one step, so far from the first slice, to a place
///   planes(a, n, step)
///   begin(a, at)                                        before a barrier
///   add(input, weight, a, step, active, sums)           one step: input at the warp's first voxel, the warp's weights
///   store(a, at, d, warp, sums)                         the slice before
///   shift(sums)                                         what was of one slice is now of the one before
///   end(a, at, warps, shared, sums)                     after the last slice, when `shared` is free for it
template <class Algorithm, class T> __device__ __forceinline__ void march(const MarchArgs<T>& a) {
  using Tile = typename Algorithm::Tile;
  using Cell = Pack<T, kWide<T>>;
  constexpr int kWeights = Tile::kWarpsN * Tile::kChunkBytes;  ///< of a step
  VOX_DYNAMIC_SHARED(unsigned char, shared);
  VOX_SHARED(MarchPlace, places, [1]);  // read again where needed: the registers are for the sums
  VOX_SHARED(MarchWarp<T>, warps, [Tile::kThreads / 32]);
  if (threadIdx.x == 0) {
    const MarchPlace place = march_place<Tile>(a);
    places[0] = place;
    for (int warp = 0; warp < Tile::kThreads / 32; ++warp) { warps[warp] = march_warp<Tile>(a, place, warp); }
  }
  __syncthreads();
  const MarchPlace& at = places[0];
  const int chunks = a.resident != 0 ? a.share_steps : kStages;
  Cell* const inputs = reinterpret_cast<Cell*>(shared + chunks * kWeights);
  auto* const planes = reinterpret_cast<MarchPlanes<T>*>(inputs + kStages * Tile::kInputCells);
  for (int step = static_cast<int>(threadIdx.x); step < at.steps; step += Tile::kThreads) {
    planes[step] = Algorithm::planes(a, at.n, at.first_step + step);
  }
  Algorithm::begin(a, at);
  __syncthreads();
  const int warp = static_cast<int>(threadIdx.x) / 32;
  const Cell* const input = inputs + march_row<Tile>(warp) * Tile::kPitch + march_column<Tile>(warp);
  const unsigned char* const weight = shared + march_group<Tile>(warp) * Tile::kChunkBytes;

  const typename Algorithm::Source source(a, at.h - 1, at.w - 1);
  for (int i = 0; i < kStages; ++i) { source.clear(inputs + i * Tile::kInputCells); }
  int next_slice = at.low;  // what is copied next
  int next_step = 0;
  const auto copy = [&](int slot) {
    if (next_slice <= at.high) {
      const MarchPlanes<T> from = planes[Algorithm::kOneStep ? 0 : next_step];
      source.copy(inputs + slot * Tile::kInputCells, from, static_cast<std::int64_t>(next_slice) * (a.h * a.w * 8));
      if (!Algorithm::kOneStep && a.resident == 0) {
        copy_weights<Tile>(shared + slot * kWeights, a, at.group, at.first_step + next_step);
      }
      if (Algorithm::kOneStep || ++next_step == at.steps) {
        next_step = 0;
        ++next_slice;
      }
    }
    cp_async_commit();  // also where nothing is left to copy: the number of groups in flight is what is waited for
  };
  if (a.resident != 0) {
    VOX_NO_UNROLL
    for (int s = 0; s < at.steps; ++s) { copy_weights<Tile>(shared + s * kWeights, a, at.group, at.first_step + s); }
  }
  VOX_NO_UNROLL
  for (int i = 0; i < kStages - 1; ++i) { copy(i); }

  typename Algorithm::Sums sums{};
  int slot = 0;
  VOX_NO_UNROLL
  for (int slice = at.first - 1; slice <= at.last; ++slice) {
    const bool active[3] = {slice > at.first, slice >= at.first && slice < at.last, slice + 1 < at.last};
    VOX_NO_UNROLL
    for (int step = slice >= at.low && slice <= at.high ? 0 : at.steps; step < at.steps; ++step) {
      cp_async_wait<kStages - 2>();
      __syncthreads();
      copy(slot == 0 ? kStages - 1 : slot - 1);
      Algorithm::add(input + slot * Tile::kInputCells, weight + (a.resident != 0 ? step : slot) * kWeights, a,
                     at.first_step + step, active, sums);
      slot = slot == kStages - 1 ? 0 : slot + 1;
    }
    if (slice > at.first) { Algorithm::store(a, at, slice - 1, warps[threadIdx.x / 32], sums); }
    Algorithm::shift(sums);
  }
  Algorithm::end(a, at, warps, shared, sums);
}

}  // namespace vox::gpu
