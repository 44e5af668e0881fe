#pragma once

#include "kernels/cuda/conv3d/conv3d.cuh"

/// Convolutions whose windows lie side by side, as matrix products (Conv3dGemm says which): what the kernels share. The
/// coarse side is geometry.y, the fine one geometry.x; a coarse voxel's window is kernel^3 fine voxels.
namespace vox::gpu {

template <class T> struct GemmArgs {
  const T* in;
  const void* packed;
  const Acc<T>* bias;
  T* out;
  int kernel;  ///< 1 or 2
  int spread;
  int d;  ///< of the coarse side
  int h;
  int w;
  int in_blocks;
  int out_blocks;
  int in_channels;
  int out_channels;
  int chunks;
  int steps;  ///< of four chunks: bf16
  int tiles;
  int parts;  ///< of the tiles, a thread block each
  int tiles_per_part;
  int voxel_blocks;  ///< thread blocks along the coarse voxels of a case
};

/// Fine voxel number of tap (0,0,0) of a coarse voxel.
__device__ __forceinline__ int fine_voxel(int voxel, int kernel, int h, int w) {
  if (kernel == 1) { return voxel; }
  const int row = voxel / w;
  return ((row / h * kernel * h + row % h) * kernel * w + voxel % w) * kernel;
}
/// From there to another tap.
__device__ __forceinline__ int tap_offset(int tap, int kernel, int h, int w) {
  return kernel == 1 ? 0 : (tap / 4 * kernel * h + tap / 2 % 2) * kernel * w + tap % 2;
}

/// What tile t of the output is, or a chunk of the input.
struct GemmTile {
  int tap;
  int block;
};
template <class T> __device__ __forceinline__ GemmTile gemm_tile(const GemmArgs<T>& a, int t) {
  if (a.spread == 0 || a.kernel == 1) { return {0, t}; }
  const int rest = t / a.kernel;
  return {rest / a.out_blocks * a.kernel + t % a.kernel, rest % a.out_blocks};
}
template <class T> __device__ __forceinline__ GemmTile gemm_chunk(const GemmArgs<T>& a, int chunk) {
  if (a.spread != 0 || a.kernel == 1) { return {0, chunk}; }
  const int rest = chunk / a.kernel;
  return {rest / a.in_blocks * a.kernel + chunk % a.kernel, rest % a.in_blocks};
}

/// Voxels from the first one of a case to a chunk's, and to a tile's, of the window's first voxel.
template <class T> __device__ __forceinline__ std::int64_t chunk_offset(const GemmArgs<T>& a, int chunk) {
  const std::int64_t coarse = static_cast<std::int64_t>(a.d) * a.h * a.w;
  if (a.spread != 0) { return chunk * coarse; }
  const GemmTile c = gemm_chunk(a, chunk);
  return c.block * coarse * (a.kernel * a.kernel * a.kernel) + tap_offset(c.tap, a.kernel, a.h, a.w);
}
template <class T> __device__ __forceinline__ std::int64_t tile_offset(const GemmArgs<T>& a, const GemmTile& t) {
  const std::int64_t coarse = static_cast<std::int64_t>(a.d) * a.h * a.w;
  if (a.spread == 0) { return t.block * coarse; }
  return t.block * coarse * (a.kernel * a.kernel * a.kernel) + tap_offset(t.tap, a.kernel, a.h, a.w);
}

/// The weight from channel i of a chunk to channel o of a tile, zero where there is none.
template <class T>
__device__ __forceinline__ Acc<T> gemm_weight(const GemmArgs<T>& a, const Acc<T>* weight, int chunk, int i, int t,
                                              int o) {
  if (chunk >= a.chunks || t >= a.tiles) { return Acc<T>{0}; }
  const GemmTile tile = gemm_tile(a, t);
  const GemmTile from = gemm_chunk(a, chunk);
  const int taps = a.kernel * a.kernel * a.kernel;
  const int in = from.block * 8 + i;
  const int out = tile.block * 8 + o;
  if (in >= a.in_channels || out >= a.out_channels) { return Acc<T>{0}; }
  const int tap = a.spread != 0 ? tile.tap : from.tap;
  const std::int64_t pair = a.spread != 0 ? static_cast<std::int64_t>(in) * a.out_channels + out
                                          : static_cast<std::int64_t>(out) * a.in_channels + in;
  return rounded<T>(weight[pair * taps + tap]);
}

}  // namespace vox::gpu
