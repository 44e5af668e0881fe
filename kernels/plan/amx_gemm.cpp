#include "kernels/plan/amx_gemm.h"

#include <algorithm>

#include "kernels/plan/tasks.h"

namespace vox {
namespace {

constexpr std::int64_t kChunk = 2 * kAmxRows;        // windows: two tiles
constexpr std::int64_t kGradChunk = 4 * kAmxDepth;   // of a weight gradient: a tile of sums is loaded once for so many
constexpr std::int64_t kSumFloats = 1 << 19;         // 2 MiB: all partial sums, unless one is larger
constexpr std::int64_t kStagedTiles = 512;           // 512 KiB of B of a weight gradient
constexpr std::int64_t kStreamedElements = 1 << 20;  // 4 MiB of f32: more than a core's caches
constexpr std::int64_t kTileFloats = kAmxTileBytes / 4;

}  // namespace

AmxGemm amx_gemm(const Conv3dGeometry& g, Conv3dPass pass, bool halved, int threads) {
  AmxGemm a{.gemm = gemm_plan(g, threads), .pass = pass};
  a.halves = halved ? 2 : 1;
  const bool grad = pass == Conv3dPass::grad_weight;
  a.rows = grad ? a.coarse_tiles() : kChunk / kAmxRows;
  a.columns = pass == Conv3dPass::correlate ? a.coarse_tiles() : a.fine_tiles();
  a.chunk = grad ? kGradChunk : kChunk;
  a.steps = grad ? kGradChunk / kAmxDepth : ceil_div(a.in_tiles(), 2);
  if (grad) {
    const std::int64_t wanted = std::max(kFewThreads, ceil_div(kMostTasks, ceil_div(a.columns, 2)));
    a.sums = std::clamp<std::int64_t>(std::min(wanted, kSumFloats / a.sum_floats()), 1,
                                      std::max<std::int64_t>(a.chunks(), 1));
  }
  const std::int64_t tasks = grad ? a.sums : std::max<std::int64_t>(a.chunks(), 1);
  std::int64_t shares = ceil_div(threads > kFewThreads ? threads : kFewThreads / 2, tasks);
  if (grad) { shares = std::max(shares, ceil_div(a.columns * a.steps * a.halves, kStagedTiles)); }
  a.columns_per_task = std::min(a.columns, round_up(ceil_div(a.columns, shares), 2));
  return a;
}

bool AmxGemm::streams() const {
  const VolumeShape& out = pass == Conv3dPass::spread ? gemm.fine : gemm.coarse;
  return out.padded_count() >= kStreamedElements && gemm.coarse.w % 2 == 0;
}

std::int64_t AmxGemm::shared_floats() const {
  const std::int64_t floats = pass == Conv3dPass::grad_weight ? sums * (sum_floats() + channel_floats())
                                                              : columns * (strip_bytes() / 4 + kAmxColumns);
  return round_up(floats, kPageElements);
}

std::int64_t AmxGemm::worker_floats() const {
  const std::int64_t strips = pass == Conv3dPass::grad_weight ? rows + columns_per_task : rows;
  return round_up(strips * strip_bytes() / 4 + 4 * kTileFloats, kPageElements);
}

}  // namespace vox
