#pragma once

#include <cstdint>

#include "kernels/cuda/chunk.cuh"
#include "kernels/cuda/run_grid.h"

/// One block of threads per run of kernels/cuda/run_grid.h.
namespace vox::gpu {

inline constexpr int kLanes8 = static_cast<int>(kBlock8);

struct Run {
  unsigned n;           ///< its case
  unsigned block;       ///< of channels
  unsigned of_channel;  ///< its number among those of the channels' runs
  int voxels;           ///< 1 ... grid.run
  std::int64_t at;      ///< its first element in the blocked volume
};

__device__ __forceinline__ std::int64_t voxels_of_run(const RunGrid& g, unsigned in_row) {
  const std::int64_t left = g.voxels - static_cast<std::int64_t>(in_row) * g.run;
  return left < g.run ? left : g.run;
}

__device__ __forceinline__ Run run_of(const RunGrid& g, unsigned number) {
  const unsigned row = number / g.per_row;
  const unsigned in_row = number % g.per_row;
  return {.n = row / g.blocks,
          .block = row % g.blocks,
          .of_channel = row / g.blocks * g.per_row + in_row,
          .voxels = static_cast<int>(voxels_of_run(g, in_row)),
          .at = (row * g.voxels + static_cast<std::int64_t>(in_row) * g.run) * kBlock8};
}

/// What is summed goes over the volume backwards and what follows goes forwards: the one begins with what the kernel
/// before has written last, the other with what the sums have read last, and finds it in the cache.
__device__ __forceinline__ Run this_run(const RunGrid& g) { return run_of(g, blockIdx.x); }
__device__ __forceinline__ Run this_run_backwards(const RunGrid& g) { return run_of(g, g.count - 1 - blockIdx.x); }

/// The pieces i, i + kChunkThreads, ... of N tensors, 16 bytes each.
template <class T, int N, int Turns> struct Tile {
  Words of[N][Turns];

  __device__ __forceinline__ void load(const T* const (&from)[N], int i) {
    VOX_UNROLL
    for (int turn = 0; turn < Turns; ++turn) {
      VOX_UNROLL
      for (int n = 0; n < N; ++n) { of[n][turn] = load_words(from[n] + (i + turn * kChunkThreads) * kWide<T>); }
    }
  }
};

enum class Order : std::uint8_t { forwards, backwards };

/// Calls prepare() while the first pieces are on their way, and use(i, tile) for all pieces of a run of N tensors that
/// are this thread's: in tiles of Turns, and what is left over in tiles of one.
template <int Turns, Order O, class T, int N, class Prepare, class Use>
__device__ __forceinline__ void over_pieces(const T* const (&from)[N], int pieces, const Prepare& prepare,
                                            const Use& use) {
  constexpr int kTile = Turns * kChunkThreads;
  const int t = static_cast<int>(threadIdx.x);
  const int whole = pieces / kTile * kTile;
  const auto place = [&](int i) { return O == Order::forwards ? i + t : whole - kTile - i + t; };
  Tile<T, N, Turns> tile;
  if (whole > 0) { tile.load(from, place(0)); }
  prepare();
  VOX_NO_UNROLL
  for (int i = 0; i < whole;) {
    use(place(i), tile);
    i += kTile;
    if (i < whole) { tile.load(from, place(i)); }
  }
  VOX_NO_UNROLL
  for (int i = whole + t; i < pieces; i += kChunkThreads) {
    Tile<T, N, 1> one;
    one.load(from, i);
    use(i, one);
  }
}

/// Where run and sum k of lane l are kept: [block][K * 8][run of the channel], so that a channel's lie together.
__device__ __forceinline__ std::int64_t partial_at(const RunGrid& g, const Run& run, int sums, int sum) {
  return (static_cast<std::int64_t>(run.block) * sums + sum) * g.of_channel + run.of_channel;
}

/// The same for a channel: sum k of `sums`, of all its runs.
__device__ __forceinline__ const double* partials_of(unsigned of_channel, const double* partials, unsigned channel,
                                                     unsigned sums, unsigned k) {
  constexpr unsigned kLanes = kLanes8;
  return partials + static_cast<std::int64_t>((channel / kLanes * sums + k) * kLanes + channel % kLanes) * of_channel;
}

/// The lanes of a thread's pieces, from eight values of the block.
template <class A, int W> __device__ __forceinline__ void take_lanes(const A* of_block, A (&lanes)[W]) {
  VOX_UNROLL
  for (int j = 0; j < W; ++j) { lanes[j] = of_block[static_cast<int>(threadIdx.x) * W % kLanes8 + j]; }
}

}  // namespace vox::gpu
