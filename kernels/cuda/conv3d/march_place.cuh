#pragma once

#include "kernels/cuda/batch_norm.cuh"
#include "kernels/cuda/conv3d/tile.cuh"

/// What the thread blocks of a march of a convolution (march.cuh) own, and where its warps write.
namespace vox::gpu {

inline constexpr int kStages = 2;
/// Taps of a march along each axis: -1, 0 and 1, or, of the phases of a stride of 2 (phases.cuh), -1 and 0 where they
/// are gathered, 0 and 1 where they are written.
enum class Taps : std::uint8_t { all, before, after };
[[nodiscard]] VOX_HD constexpr int taps_of_axis(Taps t) { return t == Taps::all ? 3 : 2; }
/// Weights of one step and 16 output channels, in every algorithm.
[[nodiscard]] VOX_HD constexpr int chunk_bytes(Taps t) {
  return taps_of_axis(t) * taps_of_axis(t) * taps_of_axis(t) * 512;
}
/// All weights up to here, four steps of 16 output channels, stay in shared memory. With two stages of input beside
/// them three thread blocks fit a multiprocessor of sm_90; weights that come with every slice are most of what L2
/// gives.
inline constexpr int kResidentBytes = 4 * chunk_bytes(Taps::all);

/// WARPS_W x WARPS_H x WARPS_N warps, each 8 voxels wide, ROWS high and 16 output channels deep; CELLS of 16 bytes per
/// voxel and step.
template <int WARPS_W, int WARPS_H, int WARPS_N, int ROWS, int CELLS, Taps TAPS = Taps::all> struct MarchTile {
  static constexpr Taps kTaps = TAPS;
  static constexpr int kChunkBytes = chunk_bytes(TAPS);
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
  const void* packed;  ///< [16 output channels][step][chunk_bytes()]
  const Acc<T>* bias;
  VolumeParts<T> out;
  int cases;
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
  int steps;        ///< of input channels
  int share_steps;  ///< of one share
  int shares;
  Acc<T>* partial;  ///< [share], each laid out as the result; where there is more than one share
  int resident;     ///< 1: all weights of the thread block stay in shared memory
  int relu;         ///< 1: out = max(out, 0)
  double* moments;  ///< Conv3dEpilogue::moments, or null
  BatchNormGradTaken<T> gradient;
  int phase_blocks = 1;  ///< of phases.cuh: channel blocks of a phase
};

/// What a thread block owns. Blocks that read the same voxels are neighbours.
struct MarchPlace {
  int group;
  int w;
  int h;
  int first;  ///< output slices [first,last)
  int last;
  int low;  ///< input slices [low,high] exist
  int high;
  int n;
  int share;
  int first_step;  ///< of the share's input channels
  int steps;
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
  rest /= a.parts;
  p.share = static_cast<int>(rest % a.shares);
  p.n = static_cast<int>(rest / a.shares);
  p.low = max(p.first - (Tile::kTaps == Taps::after ? 0 : 1), 0);
  p.high = min(p.last - (Tile::kTaps == Taps::before ? 1 : 0), a.d - 1);
  p.first_step = p.share * a.share_steps;
  p.steps = min(a.share_steps, a.steps - p.first_step);
  return p;
}

/// A warp's first voxel and output channel, of its tile and of the result.
template <class Tile> __device__ __forceinline__ int march_row(int warp) {
  return warp / Tile::kWarpsW % Tile::kWarpsH * Tile::kRows;
}
template <class Tile> __device__ __forceinline__ int march_column(int warp) { return warp % Tile::kWarpsW * 8; }
template <class Tile> __device__ __forceinline__ int march_group(int warp) {
  return warp / (Tile::kWarpsW * Tile::kWarpsH);
}
template <class T> struct MarchWarp {
  int h;
  int w;
  int channel;
  T* out[2];  ///< the first voxel in slice 0 of its two channel blocks, null where there is none
};

template <class Tile, class T>
__device__ __forceinline__ MarchWarp<T> march_warp(const MarchArgs<T>& a, const MarchPlace& place, int warp) {
  MarchWarp<T> my{.h = place.h + march_row<Tile>(warp),
                  .w = place.w + march_column<Tile>(warp),
                  .channel = (place.group * Tile::kWarpsN + march_group<Tile>(warp)) * 16,
                  .out = {}};
  for (int b = 0; b < 2; ++b) {
    const int block = my.channel / 8 + b;
    my.out[b] = block < a.out_blocks ? a.out.at(place.n, block) + (my.h * a.w + my.w) * 8 : nullptr;
  }
  return my;
}

/// The first voxel of a slice of the share's sums.
template <class T>
__device__ __forceinline__ Acc<T>* march_partial(const MarchArgs<T>& a, const MarchPlace& at, int d, int block) {
  const std::int64_t place = (static_cast<std::int64_t>(at.share) * a.cases + at.n) * a.out_blocks + block;
  return a.partial + (place * a.d + d) * (a.h * a.w * 8);
}

}  // namespace vox::gpu
