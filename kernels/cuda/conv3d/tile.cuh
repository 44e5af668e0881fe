#pragma once

#include "kernels/cuda/conv3d/conv3d.cuh"

namespace vox::gpu {

/// Where a tile of voxels lies in shared memory, in cells of 16 bytes: cell c of voxel (row, column) is at
/// c*stride + row*pitch + column, so that neighbouring voxels are neighbouring cells.
struct TileShape {
  int cells;
  int rows;
  int columns;
  int pitch;
  int stride;
};

/// Starts copying the voxels of a slice from (h,w) on, zero where the slice has none. The cells of a voxel are
/// neighbours, and so are the threads that copy them.
template <int THREADS, class T>
__device__ __forceinline__ void copy_tile(Pack<T, kWide<T>>* to, TileShape s, const T* slice, int h, int w, int height,
                                          int width) {
  VOX_NO_UNROLL
  for (int i = static_cast<int>(threadIdx.x); i < s.rows * s.columns * s.cells; i += THREADS) {
    const int cell = i % s.cells;
    const int voxel = i / s.cells;
    const int row = voxel / s.columns;
    const int column = voxel % s.columns;
    const bool inside = h + row >= 0 && h + row < height && w + column >= 0 && w + column < width;
    const T* const from = slice + (inside ? cell * kWide<T> + ((h + row) * width + w + column) * 8 : 0);
    cp_async_zfill<16>(to + cell * s.stride + row * s.pitch + column, from, inside ? 16 : 0);
  }
}

}  // namespace vox::gpu
