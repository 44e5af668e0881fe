#pragma once

#include "kernels/cuda/conv3d.cuh"

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

/// Starts copying the voxels of a slice from (h,w) on, zero where the slice has none. A voxel's cells are `apart`
/// elements from each other; TOGETHER: they are neighbours, and so are the threads that copy them.
template <int THREADS, bool TOGETHER, class T>
__device__ __forceinline__ void copy_tile(Pack<T, kWide<T>>* to, TileShape s, const T* slice, std::int64_t apart, int h,
                                          int w, int height, int width) {
  const int voxels = s.rows * s.columns;
  VOX_NO_UNROLL
  for (int i = static_cast<int>(threadIdx.x); i < voxels * s.cells; i += THREADS) {
    const int cell = TOGETHER ? i % s.cells : i / voxels;
    const int voxel = TOGETHER ? i / s.cells : i % voxels;
    const int row = voxel / s.columns;
    const int column = voxel % s.columns;
    const bool inside = h + row >= 0 && h + row < height && w + column >= 0 && w + column < width;
    const T* const from = slice + (inside ? cell * apart + ((h + row) * width + w + column) * 8 : 0);
    cp_async_zfill<16>(to + cell * s.stride + row * s.pitch + column, from, inside ? 16 : 0);
  }
}

}  // namespace vox::gpu
