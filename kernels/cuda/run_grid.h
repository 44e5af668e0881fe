#pragma once

#include <algorithm>
#include <cstdint>

#include "kernels/base/chunks.h"

/// How a GPU splits a volume: a run is some of the chunks of kernels/base/chunks.h, neighbours in one row. A large
/// volume then has few more runs than run at once, and few sums to add up afterwards.
namespace vox::gpu {

inline constexpr std::int64_t kRunsAtOnce = 528;  ///< about what runs at once: four for each of 132 multiprocessors
inline constexpr std::int64_t kLongestRun = 16;   ///< chunks: a thread adds up no more values in a row

/// The sizes that a block finds its run by. They come from the shape alone, that of the whole batch.
struct RunGrid {
  std::int64_t voxels;  ///< of a case
  int run;              ///< voxels of a run; the last one of a row may be shorter
  unsigned per_row;     ///< runs of a row
  unsigned blocks;      ///< of channels, of a case
  unsigned of_channel;  ///< runs of all cases
  unsigned count;       ///< blocks of threads to launch: never more than there are chunks
};

[[nodiscard]] inline RunGrid run_grid(const VolumeShape& s) {
  VolumeShape all = s;
  all.n = s.whole();
  const VoxelChunks chunks = chunks_of_blocks(all);
  const auto up = [](std::int64_t a, std::int64_t b) { return (a + b - 1) / b; };
  const std::int64_t shortest = chunks.count() > kRunsAtOnce ? 2 : 1;  // half as many beginnings and ends
  const std::int64_t longest = std::clamp(up(chunks.count(), 2 * kRunsAtOnce), shortest, kLongestRun);
  const std::int64_t per_row = up(chunks.per_row(), longest);
  const std::int64_t run = up(chunks.per_row(), per_row);  // evenly
  const auto runs = static_cast<unsigned>(up(chunks.per_row(), run));
  const auto blocks = static_cast<unsigned>(s.blocks());
  const auto cases = static_cast<unsigned>(s.n);
  return {.voxels = s.voxels(),
          .run = static_cast<int>(run * kChunkVoxels),
          .per_row = runs,
          .blocks = blocks,
          .of_channel = cases * runs,
          .count = cases * blocks * runs};
}

}  // namespace vox::gpu
