#pragma once

#include "kernels/plan/amx.h"
#include "kernels/plan/gemm.h"

namespace vox {

/// How gemm (kernels/plan/gemm.h) is cut for AMX. The columns of both sides go by in tiles of sixteen: a run of a
/// window where the kernel is 2, else two blocks of channels. Chunks of windows, counted over the voxels of a case
/// whatever its rows, are staged as bf16 tiles and meet all columns. Like kernels/plan/amx.h, what is added up apart is
/// a pure function of the geometry, the pass and the storage type.
struct AmxGemm {
  GemmPlan gemm;
  Conv3dPass pass = Conv3dPass::correlate;
  std::int64_t halves = 1;            ///< bf16 of a value
  std::int64_t rows = 1;              ///< tiles of A along its rows: two of windows; grad_weight: the coarse columns
  std::int64_t steps = 1;             ///< tiles along the middle: the columns of `in`; grad_weight: a chunk's windows
  std::int64_t columns = 1;           ///< tiles of B along its columns: those of `out`; grad_weight: the fine ones
  std::int64_t columns_per_task = 1;  ///< even where there are more than one
  std::int64_t chunk = 1;             ///< windows
  std::int64_t sums = 1;              ///< grad_weight: partial sums, each of a run of chunks

  [[nodiscard]] std::int64_t fine_tiles() const {
    return gemm.kernel == 2 ? gemm.fine_runs() : ceil_div(gemm.fine.blocks(), 2);
  }
  [[nodiscard]] std::int64_t coarse_tiles() const { return ceil_div(gemm.coarse.blocks(), 2); }
  [[nodiscard]] std::int64_t in_tiles() const { return pass == Conv3dPass::spread ? coarse_tiles() : fine_tiles(); }
  [[nodiscard]] std::int64_t shares() const { return ceil_div(columns, columns_per_task); }
  [[nodiscard]] std::int64_t chunks() const { return gemm.coarse.n * ceil_div(gemm.coarse.voxels(), chunk); }
  [[nodiscard]] std::int64_t tasks() const { return (pass == Conv3dPass::grad_weight ? sums : chunks()) * shares(); }
  /// Whether an f32 output is written past the caches, as whole lines: it is large, and windows come in pairs.
  [[nodiscard]] bool streams() const;
  /// Bytes of a row of tiles of A, or a column of tiles of B: [steps][halves] tiles.
  [[nodiscard]] std::int64_t strip_bytes() const { return steps * halves * kAmxTileBytes; }
  /// Sums of a weight gradient, [row pairs][column pairs][2 columns][2 rows] tiles.
  [[nodiscard]] std::int64_t sum_floats() const {
    return ceil_div(rows, 2) * ceil_div(columns, 2) * 4 * kAmxRows * kAmxColumns;
  }
  /// And of the channels of both sides: [columns*16], and by every share [rows*16].
  [[nodiscard]] std::int64_t channel_floats() const { return (columns + shares() * rows) * kAmxColumns; }
  [[nodiscard]] std::int64_t shared_floats() const;  ///< scratch: packed weights, then the bias; or partial sums
  [[nodiscard]] std::int64_t worker_floats() const;  ///< staged tiles, then four tiles of sums
};
[[nodiscard]] AmxGemm amx_gemm(const Conv3dGeometry&, Conv3dPass, bool halved, int threads);

}  // namespace vox
