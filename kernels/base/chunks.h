#pragma once

#include <algorithm>
#include <cstdint>

#include "kernels/base/volume.h"

namespace vox {

/// Voxels of one block that one task of a reduction takes: 32 KiB of f32, an L1 full. The split is fixed, so that sums
/// do not depend on the number of threads.
inline constexpr std::int64_t kChunkVoxels = 1024;

/// The chunks of `rows` runs of `voxels` voxels; chunk i belongs to row i / per_row().
struct VoxelChunks {
  std::int64_t rows = 0;
  std::int64_t voxels = 0;

  [[nodiscard]] constexpr std::int64_t per_row() const { return (voxels + kChunkVoxels - 1) / kChunkVoxels; }
  [[nodiscard]] constexpr std::int64_t count() const { return rows * per_row(); }
  [[nodiscard]] constexpr std::int64_t row(std::int64_t chunk) const { return chunk / per_row(); }
  [[nodiscard]] constexpr std::int64_t first(std::int64_t chunk) const { return chunk % per_row() * kChunkVoxels; }
  [[nodiscard]] constexpr std::int64_t size(std::int64_t chunk) const {
    return std::min(kChunkVoxels, voxels - first(chunk));
  }
};

/// One row per block of each case, in memory order.
[[nodiscard]] constexpr VoxelChunks chunks_of_blocks(const VolumeShape& s) { return {s.n * s.blocks(), s.voxels()}; }
/// One row per case.
[[nodiscard]] constexpr VoxelChunks chunks_of_cases(const VolumeShape& s) { return {s.n, s.voxels()}; }

}  // namespace vox
