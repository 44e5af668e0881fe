#include "kernels/plan/gemm.h"

#include <algorithm>

#include "kernels/plan/tasks.h"

namespace vox {
namespace {

constexpr std::int64_t kPartElements = 1 << 20;  // 4 MiB of f32: all parts, unless one is larger
constexpr std::int64_t kPartVoxels = 256;        // less do not pay for a part's zeros and sum
constexpr std::int64_t kBatchVoxels = 64;  // of a weight gradient: windows that go by while a tile is in registers

}  // namespace

bool gemm_takes(const Conv3dGeometry& g) {
  const auto fills = [&](std::int64_t fine, std::int64_t coarse) { return fine == coarse * g.kernel; };
  return g.kernel <= 2 && g.stride == g.kernel && g.padding == 0 && g.split == 0 && fills(g.x.d, g.y.d) &&
         fills(g.x.h, g.y.h) && fills(g.x.w, g.y.w);
}

GemmPlan gemm_plan(const Conv3dGeometry& g, int threads) {
  GemmPlan w{.fine = g.x, .coarse = g.y, .kernel = g.kernel};
  const std::int64_t rows = std::max<std::int64_t>(w.rows(), 1);
  w.batch_rows = std::clamp<std::int64_t>(kBatchVoxels / std::max<std::int64_t>(g.y.w, 1), 1, rows);
  const std::int64_t wanted = std::max(kFewThreads, ceil_div(kMostTasks, w.fine_runs()));
  const std::int64_t with_work = rows * g.y.w / kPartVoxels;
  w.parts = std::clamp<std::int64_t>(std::min({wanted, with_work, kPartElements / w.matrix_elements()}), 1, rows);
  w.shares = std::min(ceil_div(wanted_tasks(threads), w.parts), w.fine_runs());
  return w;
}

std::int64_t GemmPlan::worker_elements(Conv3dPass pass) const {
  const std::int64_t fine_row = fine_columns() * coarse.w;
  const std::int64_t coarse_row = coarse_columns() * coarse.w;
  const std::int64_t elements = pass == Conv3dPass::correlate ? fine_row
                                : pass == Conv3dPass::spread  ? coarse_row
                                                              : batch_rows * (ceil_div(fine_row, shares) + coarse_row);
  return round_up(elements + fine_columns(), kPageElements);
}

std::int64_t scratch_elements(const GemmPlan& w, Conv3dPass pass, int threads) {
  if (pass == Conv3dPass::grad_weight) {
    return w.parts * w.part_elements() + std::min<std::int64_t>(threads, w.parts * w.shares) * w.worker_elements(pass);
  }
  const std::int64_t bias = pass == Conv3dPass::spread ? w.fine_columns() : w.coarse_columns();
  return w.matrix_elements() + bias + threads * w.worker_elements(pass);
}

}  // namespace vox
