#pragma once

#include "kernels/cuda/conv3d.cuh"

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
  static constexpr int kPlane = kPitch * (ROWS * WARPS_H + 2);  ///< voxels of the tile with its halo
  static constexpr int kInputCells = kPlane * CELLS;
};

template <class T> struct MarchArgs {
  const T* in;
  const void* packed;  ///< [16 output channels][step][kChunkBytes]
  const Acc<T>* bias;
  T* out;
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

/// Copies a tile with its halo of one voxel, zero outside the volume, to [cell][row][column]: `rows` x `pitch` voxels,
/// of which the first is (h,w). A voxel's cells are `apart` elements from each other; TOGETHER: they are neighbours.
template <int THREADS, bool TOGETHER, class T>
__device__ __forceinline__ void copy_tile(Pack<T, kWide<T>>* to, const T* slice, int cells, std::int64_t apart,
                                          int plane, int pitch, int h, int w, int height, int width) {
  VOX_NO_UNROLL
  for (int i = static_cast<int>(threadIdx.x); i < plane * cells; i += THREADS) {
    const int cell = TOGETHER ? i % cells : i / plane;
    const int v = TOGETHER ? i / cells : i % plane;
    const int at_h = h + v / pitch;
    const int at_w = w + v % pitch;
    const bool inside = at_h >= 0 && at_h < height && at_w >= 0 && at_w < width;
    const T* const from = slice + (inside ? cell * apart + (at_h * width + at_w) * 8 : 0);
    cp_async_zfill<16>(to + cell * plane + v, from, inside ? 16 : 0);
  }
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

template <class T> [[nodiscard]] MarchArgs<T> march_args(const Convolve<T>& a, const Conv3dMarch& m, int steps) {
  return {.in = a.in,
          .packed = a.scratch,
          .bias = a.bias,
          .out = a.out,
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
          .resident = steps * m.warps_n * kChunkBytes <= kResidentBytes ? 1 : 0};
}

template <class Tile, class T> [[nodiscard]] std::size_t march_shared_bytes(const MarchArgs<T>& a) {
  const int chunks = a.resident != 0 ? a.steps : kStages;
  return static_cast<std::size_t>(chunks * Tile::kWarpsN * kChunkBytes + kStages * Tile::kInputCells * 16);
}

}  // namespace vox::gpu
