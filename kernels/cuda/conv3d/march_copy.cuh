#pragma once

#include "kernels/cuda/conv3d/march_place.cuh"

/// What a march of a convolution (march.cuh) copies to shared memory: tiles of voxels, and weights.
namespace vox::gpu {

/// Where the channels of a step of the march lie: the first voxel of one channel block, and where a step has two of the
/// other. Worked out once for each step: it takes multiplications of 64 bits.
template <class T> struct MarchPlanes {
  const T* first;
  const T* second;
};

/// Copies the weights of one step for the block's output channels.
template <class Tile, class T>
__device__ __forceinline__ void copy_weights(unsigned char* to, const MarchArgs<T>& a, int group, int step) {
  constexpr int kBytes = Tile::kChunkBytes;
  const int thread = static_cast<int>(threadIdx.x);
  VOX_UNROLL
  for (int warp_n = 0; warp_n < Tile::kWarpsN; ++warp_n) {
    const std::int64_t chunk = static_cast<std::int64_t>(group * Tile::kWarpsN + warp_n) * a.steps + step;
    const auto* const from = static_cast<const unsigned char*>(a.packed) + chunk * kBytes + thread * 16;
    VOX_UNROLL
    for (int i = 0; i < kBytes / 16; i += Tile::kThreads) {
      if (i + Tile::kThreads <= kBytes / 16 || i + thread < kBytes / 16) {
        cp_async<16>(to + warp_n * kBytes + thread * 16 + i * 16, from + i * 16);
      }
    }
  }
}

/// Which voxels of a tile with its halo a thread copies, worked out once for all slices. The tile lies as in TileShape,
/// its rows one after another. TOGETHER: cells of a voxel that are neighbours in memory and copied by as many threads.
template <class Tile, int TOGETHER, class T> struct MarchSource {
  using Cell = Pack<T, kWide<T>>;
  static constexpr int kApart = Tile::kThreads / TOGETHER;  ///< voxels from one of a thread's to its next
  static constexpr int kEach = (Tile::kPlane + kApart - 1) / kApart;
  int place;          ///< the thread's first cell of the tile
  int offset[kEach];  ///< elements from the slice's first voxel, negative where the slice has none

  __device__ __forceinline__ MarchSource(const MarchArgs<T>& a, int h, int w) {
    const int cell = static_cast<int>(threadIdx.x) % TOGETHER;
    const int first = static_cast<int>(threadIdx.x) / TOGETHER;
    place = cell * Tile::kPlane + first;
    VOX_UNROLL
    for (int k = 0; k < kEach; ++k) {
      const int voxel = first + k * kApart;
      const int row = h + voxel / Tile::kPitch;
      const int column = w + voxel % Tile::kPitch;
      const bool inside = voxel < Tile::kPlane && row >= 0 && row < a.h && column >= 0 && column < a.w;
      offset[k] = inside ? (row * a.w + column) * 8 + cell * kWide<T> : -1;
    }
  }
  /// Zeroes what no copy will write, in `planes` planes of the tile.
  __device__ __forceinline__ void clear(Cell* to, int planes) const {
    VOX_UNROLL
    for (int k = 0; k < kEach; ++k) {
      if (offset[k] >= 0 || place % Tile::kPlane + k * kApart >= Tile::kPlane) { continue; }
      for (int plane = 0; plane < planes; ++plane) { to[place + k * kApart + plane * Tile::kPlane] = Cell{}; }
    }
  }
  /// Starts copying a plane from a slice.
  __device__ __forceinline__ void copy(Cell* to, const T* slice) const {
    VOX_UNROLL
    for (int k = 0; k < kEach; ++k) {
      if (offset[k] >= 0) { cp_async<16>(to + place + k * kApart, slice + static_cast<unsigned>(offset[k])); }
    }
  }
};

}  // namespace vox::gpu
