#include "kernels/plan/winograd.h"

#include <algorithm>

#include "kernels/plan/tasks.h"
#include "kernels/plan/winograd_grad.h"

namespace vox {
namespace {

std::int64_t padded(std::int64_t channels) { return round_up(channels, WinogradPlan::kGroup); }

/// The most tiles along H that a layer may have for kMostTasks tasks of a case; a divisor of those of a box.
std::int64_t layer_of(const WinogradPlan& p, std::int64_t all_h) {
  std::int64_t layer = p.tiles_h;
  const auto tasks = [&] { return p.boxes_d * p.boxes_w * ceil_div(all_h, layer) * p.groups(); };
  for (std::int64_t n = 2; n <= p.tiles_h && tasks() < kMostTasks; ++n) {
    if (p.tiles_h % n == 0) { layer = p.tiles_h / n; }
  }
  return layer;
}

/// Products per pair of channels, and those that transforming and reading the weight is worth: as many as about 80
/// tiles.
double cost(const Conv3dGeometry& g, Conv3dPass pass, std::int64_t m) {
  const VolumeShape& out = pass == Conv3dPass::spread ? g.x : g.y;
  const std::int64_t tiles = out.whole() * ceil_div(out.d, m) * ceil_div(out.h, m) * ceil_div(out.w, m);
  const double points = static_cast<double>((m + 2) * (m + 2) * (m + 2));
  constexpr double kWeightTiles = 80;
  constexpr double kSmallTileGain = 0.85;  // of a 2^3 tile, whose transforms only add
  return points * (static_cast<double>(tiles) + kWeightTiles) * (m == 2 ? kSmallTileGain : 1);
}

}  // namespace

bool winograd_runs(Conv3dPass, const Conv3dGeometry& g) { return g.kernel == 3 && g.stride == 1 && g.padding <= 2; }

bool winograd_wins(Conv3dPass pass, const Conv3dGeometry& g) {
  if (pass == Conv3dPass::grad_weight) { return winograd_grad_wins(g); }
  constexpr std::int64_t kLeastChannels = 12;  // of both sides: they are padded to 16
  constexpr std::int64_t kLeastVoxels = 512;
  return winograd_runs(pass, g) && std::min(g.x.c, g.y.c) >= kLeastChannels &&
         g.y.whole() * std::min(g.x.voxels(), g.y.voxels()) >= kLeastVoxels;
}

WinogradPlan winograd_plan(const Conv3dGeometry& g, Conv3dPass pass, int threads) {
  return winograd_plan_of(cost(g, pass, 2) < cost(g, pass, 4) ? 2 : 4, g, pass, threads);
}

WinogradPlan winograd_plan_of(std::int64_t m, const Conv3dGeometry& g, Conv3dPass pass, int threads) {
  const bool spread = pass == Conv3dPass::spread;
  WinogradPlan p;
  p.pass = pass;
  p.in = spread ? g.y : g.x;
  p.out = spread ? g.x : g.y;
  p.padding = spread ? 2 - g.padding : g.padding;
  p.m = m;
  p.in_channels = padded(p.in.c);
  p.out_channels = padded(p.out.c);
  const std::int64_t all_h = ceil_div(p.out.h, m);
  const std::int64_t all_w = ceil_div(p.out.w, m);
  constexpr std::int64_t kMaxTilesW = 16;      // long rows of memory: short ones cost up to a third
  constexpr std::int64_t kLargeFilter = 4096;  // pairs of channels: read from the L3, for more tiles at a time
  const std::int64_t tiles = p.in_channels * p.out_channels < kLargeFilter ? 16 : 32;
  p.boxes_w = ceil_div(all_w, kMaxTilesW);
  p.tiles_w = p.boxes_w > 0 ? ceil_div(all_w, p.boxes_w) : 1;
  p.boxes_h = ceil_div(all_h, std::max<std::int64_t>(tiles / p.tiles_w, 1));
  p.tiles_h = p.boxes_h > 0 ? ceil_div(all_h, p.boxes_h) : 1;
  p.boxes_d = ceil_div(p.out.d, m);
  p.layer_h = layer_of(p, all_h);
  p.layers_h = ceil_div(all_h, p.layer_h);
  const bool few = threads <= kFewThreads;
  if (!few && p.boxes() * p.groups() < threads) {
    p.tiles_h = p.layer_h;
    p.boxes_h = p.layers_h;
  }
  const std::int64_t boxes = std::max<std::int64_t>(p.boxes(), 1);
  p.shares = std::clamp<std::int64_t>(few ? kFewThreads / boxes : ceil_div(threads, boxes), 1, p.groups());
  return p;
}

std::int64_t WinogradPlan::first_layer(const WinogradBox& b) const {
  return ((b.n * boxes_w + b.w / m / tiles_w) * layers_h + b.h / m / layer_h) * boxes_d + b.d / m;
}

WinogradBox WinogradPlan::box(std::int64_t i) const {
  const std::int64_t d = i % boxes_d;
  const std::int64_t h = i / boxes_d % boxes_h * tiles_h;
  const std::int64_t w = i / boxes_d / boxes_h % boxes_w * tiles_w;
  return {.n = i / boxes_d / boxes_h / boxes_w,
          .d = d * m,
          .h = h * m,
          .w = w * m,
          .tiles_h = std::min(tiles_h, ceil_div(out.h, m) - h),
          .tiles_w = std::min(tiles_w, ceil_div(out.w, m) - w)};
}

std::int64_t WinogradPlan::task_channels() const { return ceil_div(groups(), shares) * kGroup; }

std::int64_t WinogradPlan::worker_elements() const {
  return round_up(lines_elements() + points_elements() + sums_elements(), kPageElements);
}

std::int64_t scratch_elements(const WinogradPlan& p, int threads) {
  return p.shared_elements() + std::min<std::int64_t>(threads, p.tasks()) * p.worker_elements();
}

}  // namespace vox
