#pragma once

#include <cstdint>

#include "kernels/base/chunks.h"
#include "kernels/cuda/gpu.h"

/// One block of threads per chunk of kernels/base/chunks.h.
namespace vox::gpu {

inline constexpr int kChunkThreads = 256;
/// 16-byte pieces that the eight lanes of a voxel take.
template <class T> inline constexpr int kPieces = static_cast<int>(kBlock8) / kWide<T>;

/// The sizes that a block finds its chunk by, in 32 bits, which divide several times faster than 64.
struct ChunkGrid {
  std::int64_t voxels;     ///< of a case
  unsigned per_row;        ///< chunks of a row
  unsigned rows_per_case;  ///< its blocks of channels, or 1 where a chunk has them all
  unsigned blocks;         ///< blocks of channels of a case
  unsigned count;          ///< blocks of threads to launch
};

[[nodiscard]] inline ChunkGrid chunk_grid(const VolumeShape& s, const VoxelChunks& chunks) {
  return {.voxels = s.voxels(),
          .per_row = static_cast<unsigned>(chunks.per_row()),
          .rows_per_case = static_cast<unsigned>(chunks.rows / s.n),
          .blocks = static_cast<unsigned>(s.blocks()),
          .count = static_cast<unsigned>(chunks.count())};
}
[[nodiscard]] inline ChunkGrid block_grid(const VolumeShape& s) { return chunk_grid(s, chunks_of_blocks(s)); }
[[nodiscard]] inline ChunkGrid case_grid(const VolumeShape& s) { return chunk_grid(s, chunks_of_cases(s)); }

/// What this block of threads works on.
struct Chunk {
  unsigned n;
  unsigned block;      ///< of channels; 0 where the chunk has them all
  int voxels;          ///< 1 ... kChunkVoxels
  std::int64_t voxel;  ///< the first, within its case
  std::int64_t at;     ///< its first element in the blocked volume
  std::int64_t label;  ///< its place in the labels
};

__device__ __forceinline__ Chunk this_chunk(const ChunkGrid& g) {
  const unsigned row = blockIdx.x / g.per_row;
  const unsigned n = row / g.rows_per_case;
  const unsigned block = row % g.rows_per_case;
  const std::int64_t voxel = static_cast<std::int64_t>(blockIdx.x % g.per_row) * kChunkVoxels;
  const std::int64_t left = g.voxels - voxel;
  return {.n = n,
          .block = block,
          .voxels = static_cast<int>(left < kChunkVoxels ? left : kChunkVoxels),
          .voxel = voxel,
          .at = ((static_cast<std::int64_t>(n) * g.blocks + block) * g.voxels + voxel) * kBlock8,
          .label = n * g.voxels + voxel};
}

/// Channels of this block of a vector or of a table, the threads' first: 8, fewer in the last block.
__device__ __forceinline__ int channels_in(int channels, unsigned block) {
  const int left = channels - static_cast<int>(block) * static_cast<int>(kBlock8);
  return left < kBlock8 ? left : static_cast<int>(kBlock8);
}

}  // namespace vox::gpu
