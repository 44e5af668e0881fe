#pragma once

#include <cstdint>

#include "kernels/base/math.h"
#include "kernels/conv3d.h"

namespace vox {

/// gemm: where no two windows overlap (kernel = stride: the transposed convolutions of the network, and the 1x1x1 one)
/// a convolution is one product of matrices for each row of windows. The coarse side has one voxel per window, the fine
/// side K^3. A column of the fine side is f = (((kd*K + kh)*blocks + block)*K + kw)*8 + channel: where kd, kh and the
/// block are fixed, the K*8 values of a window are neighbours in memory, and so are those of the next window.
struct GemmPlan {
  VolumeShape fine;
  VolumeShape coarse;
  std::int64_t kernel = 1;
  std::int64_t parts = 1;       ///< grad_weight: the rows are cut into so many parts, which are added up in order,
  std::int64_t shares = 1;      ///< and the fine columns into so many shares, by the threads; a task is one of each,
  std::int64_t batch_rows = 1;  ///< and takes so many rows at a time

  [[nodiscard]] std::int64_t rows() const { return coarse.n * coarse.d * coarse.h; }
  [[nodiscard]] std::int64_t run() const { return kernel * kBlock8; }
  [[nodiscard]] std::int64_t fine_runs() const { return kernel * kernel * fine.blocks(); }
  [[nodiscard]] std::int64_t fine_columns() const { return fine_runs() * run(); }
  [[nodiscard]] std::int64_t coarse_columns() const { return coarse.blocks() * kBlock8; }
  /// Where a run of fine columns of a row of windows starts, and a block of the coarse ones.
  [[nodiscard]] std::int64_t fine_offset(std::int64_t row, std::int64_t of_run) const {
    const std::int64_t block = of_run % fine.blocks();
    const std::int64_t kd = of_run / fine.blocks() / kernel;
    const std::int64_t kh = of_run / fine.blocks() % kernel;
    const std::int64_t n = row / coarse.h / coarse.d;
    const std::int64_t d = row / coarse.h % coarse.d * kernel + kd;
    return fine.offset(n, block, (d * fine.h + row % coarse.h * kernel + kh) * fine.w);
  }
  [[nodiscard]] std::int64_t coarse_offset(std::int64_t row, std::int64_t block) const {
    const std::int64_t n = row / coarse.h / coarse.d;
    return coarse.offset(n, block, row % (coarse.d * coarse.h) * coarse.w);
  }

  [[nodiscard]] std::int64_t taps() const { return kernel * kernel * kernel; }
  /// The fine column of channel i and tap (kd*K + kh)*K + kw. In this order weight[o] lies in memory.
  [[nodiscard]] std::int64_t fine_column(std::int64_t i, std::int64_t tap) const {
    return ((tap / kernel * fine.blocks() + i / kBlock8) * kernel + tap % kernel) * kBlock8 + i % kBlock8;
  }
  [[nodiscard]] std::int64_t matrix_elements() const { return fine_columns() * coarse_columns(); }
  /// grad_weight: sums of products [fine columns][coarse columns], then of the fine columns and of the coarse ones.
  [[nodiscard]] std::int64_t part_elements() const { return matrix_elements() + fine_columns() + coarse_columns(); }
  [[nodiscard]] std::int64_t worker_elements(Conv3dPass) const;
};

/// Whether gemm can: windows that lie side by side and fill x; kernel 1 or 2, x in one tensor.
[[nodiscard]] bool gemm_takes(const Conv3dGeometry&);
[[nodiscard]] GemmPlan gemm_plan(const Conv3dGeometry&, int threads);
[[nodiscard]] std::int64_t scratch_elements(const GemmPlan&, Conv3dPass, int threads);

}  // namespace vox
