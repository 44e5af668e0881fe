#pragma once

#include "kernels/cuda/conv3d_tile.cuh"

/// The march of a 3^3 convolution of stride 1 along D, which tiled and tensor_core share (conv3d_device.h says what a
/// thread block owns). For each input slice and each step of input channels the block copies the tile with its halo,
/// and the step's weights unless all of them stay, to one of kStages places in shared memory, two steps ahead; then
/// every thread adds what the slice means for the output slices before, at and after it. So a slice is read once.
namespace vox::gpu {

inline constexpr int kStages = 3;
inline constexpr int kChunkBytes = 27 * 512;  ///< weights of one step and 16 output channels, in every algorithm
inline constexpr int kChunkCells = kChunkBytes / 16;
inline constexpr int kResidentBytes = 56 * 1024;  ///< all weights up to here stay in shared memory

/// WARPS_W x WARPS_H x WARPS_N warps, each 8 voxels wide, ROWS high and 16 output channels deep; CELLS of 16 bytes per
/// voxel and step.
template <int WARPS_W, int WARPS_H, int WARPS_N, int ROWS, int CELLS> struct MarchTile {
  static constexpr int kWarpsW = WARPS_W;
  static constexpr int kWarpsH = WARPS_H;
  static constexpr int kWarpsN = WARPS_N;
  static constexpr int kRows = ROWS;
  static constexpr int kCells = CELLS;
  static constexpr int kThreads = 32 * WARPS_W * WARPS_H * WARPS_N;
  static constexpr int kMinBlocks = 384 / kThreads;  ///< of a multiprocessor: at least 12 warps, at most 168 registers
  static constexpr int kPitch = 8 * WARPS_W + 2;
  static constexpr int kHaloRows = ROWS * WARPS_H + 2;
  static constexpr int kPlane = kPitch * kHaloRows;  ///< voxels of the tile with its halo
  static constexpr int kInputCells = kPlane * CELLS;
};

template <class T> struct MarchArgs {
  VolumeParts<const T> in;
  const void* packed;  ///< [16 output channels][step][kChunkBytes]
  const Acc<T>* bias;
  VolumeParts<T> out;
  int d;
  int h;
  int w;
  int in_blocks;
  int out_blocks;
  int out_channels;
  int tiles_w;
  int tiles_h;
  int groups;
  int parts;
  int depth;
  int steps;     ///< of input channels
  int resident;  ///< 1: all weights stay in shared memory
};

/// What a thread block owns. Blocks that read the same voxels are neighbours.
struct MarchPlace {
  int group;
  int w;
  int h;
  int first;  ///< output slices [first,last)
  int last;
  int n;
};

template <class Tile, class T> __device__ __forceinline__ MarchPlace march_place(const MarchArgs<T>& a) {
  unsigned rest = blockIdx.x;
  MarchPlace p;
  p.group = static_cast<int>(rest % a.groups);
  rest /= a.groups;
  p.w = static_cast<int>(rest % a.tiles_w) * 8 * Tile::kWarpsW;
  rest /= a.tiles_w;
  p.h = static_cast<int>(rest % a.tiles_h) * Tile::kRows * Tile::kWarpsH;
  rest /= a.tiles_h;
  p.first = static_cast<int>(rest % a.parts) * a.depth;
  p.last = min(p.first + a.depth, a.d);
  p.n = static_cast<int>(rest / a.parts);
  return p;
}

/// Copies the weights of one step for the block's output channels.
template <class Tile, class T>
__device__ __forceinline__ void copy_weights(unsigned char* to, const MarchArgs<T>& a, int group, int step) {
  VOX_NO_UNROLL
  for (int i = static_cast<int>(threadIdx.x); i < Tile::kWarpsN * kChunkCells; i += Tile::kThreads) {
    const std::int64_t chunk = static_cast<std::int64_t>(group * Tile::kWarpsN + i / kChunkCells) * a.steps + step;
    cp_async<16>(to + i * 16, static_cast<const unsigned char*>(a.packed) + chunk * kChunkBytes + i % kChunkCells * 16);
  }
}

/// The march itself. Algorithm gives:
///   using Tile, Sums;                                   Sums: what a thread holds, zero when built
///   copy(to, a, n, slice, step, h, w)                   the tile of one step to a place in shared memory
///   add(input, weight, a, step, active, sums)           one step: input at the warp's first voxel, the warp's weights
///   store(a, n, d, h, w, channel, sums)                 the slice before: h, w, channel are the warp's first
///   shift(sums)                                         what was of one slice is now of the one before
template <class Algorithm, class T> __device__ __forceinline__ void march(const MarchArgs<T>& a) {
  using Tile = typename Algorithm::Tile;
  using Cell = Pack<T, kWide<T>>;
  VOX_DYNAMIC_SHARED(unsigned char, shared);
  VOX_SHARED(MarchPlace, places, [1]);  // read again where needed: the registers are for the sums
  if (threadIdx.x == 0) { places[0] = march_place<Tile>(a); }
  __syncthreads();
  const MarchPlace& at = places[0];
  const int chunks = a.resident != 0 ? a.steps : kStages;
  Cell* const inputs = reinterpret_cast<Cell*>(shared + chunks * Tile::kWarpsN * kChunkBytes);
  const int warp = static_cast<int>(threadIdx.x) / 32;
  const int row = warp / Tile::kWarpsW % Tile::kWarpsH * Tile::kRows;
  const int column = warp % Tile::kWarpsW * 8;
  const int warp_n = warp / (Tile::kWarpsW * Tile::kWarpsH);

  const int low = max(at.first - 1, 0);  // the slices that exist
  const int high = min(at.last, a.d - 1);
  const int count = (high - low + 1) * a.steps;
  const auto copy = [&](int i) {  // step i of the march
    if (i < count) {
      const int step = i % a.steps;
      const int slot = i % kStages;
      Algorithm::copy(inputs + slot * Tile::kInputCells, a, at.n, low + i / a.steps, step, at.h - 1, at.w - 1);
      if (a.resident == 0) { copy_weights<Tile>(shared + slot * Tile::kWarpsN * kChunkBytes, a, at.group, step); }
    }
    cp_async_commit();  // also where nothing is left to copy: the number of groups in flight is what is waited for
  };
  if (a.resident != 0) {
    for (int s = 0; s < a.steps; ++s) { copy_weights<Tile>(shared + s * Tile::kWarpsN * kChunkBytes, a, at.group, s); }
  }
  for (int i = 0; i < kStages - 1; ++i) { copy(i); }

  typename Algorithm::Sums sums{};
  int i = 0;
  for (int slice = at.first - 1; slice <= at.last; ++slice) {
    if (slice >= low && slice <= high) {
      const bool active[3] = {slice > at.first, slice >= at.first && slice < at.last, slice + 1 < at.last};
      for (int step = 0; step < a.steps; ++step, ++i) {
        cp_async_wait<kStages - 2>();
        __syncthreads();
        copy(i + kStages - 1);
        const int chunk = (a.resident != 0 ? step : i % kStages) * Tile::kWarpsN + warp_n;
        Algorithm::add(inputs + i % kStages * Tile::kInputCells + row * Tile::kPitch + column,
                       shared + chunk * kChunkBytes, a, step, active, sums);
      }
    }
    if (slice > at.first) {
      Algorithm::store(a, at.n, slice - 1, at.h + row, at.w + column, (at.group * Tile::kWarpsN + warp_n) * 16, sums);
    }
    Algorithm::shift(sums);
  }
}

}  // namespace vox::gpu
