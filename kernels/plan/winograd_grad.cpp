#include "kernels/plan/winograd_grad.h"

#include <algorithm>
#include <bit>

#include "kernels/plan/one_case.h"
#include "kernels/plan/tasks.h"

namespace vox {
namespace {

constexpr std::int64_t kSumElements = 3 << 20;  // 12 MiB of f32: the sums of all tasks, unless those of a part are more
constexpr std::int64_t kPartTiles = 64;         // less do not pay for a part's zeros and sum
constexpr std::int64_t kMostPointShares = 4;    // of 36 points: each transforms its inputs along D and H again

/// Cuts `tiles` into boxes of about equal size, of `most` or less.
std::int64_t cut(std::int64_t tiles, std::int64_t most, std::int64_t& size) {
  const std::int64_t boxes = ceil_div(tiles, std::max<std::int64_t>(most, 1));
  size = std::max<std::int64_t>(ceil_div(tiles, std::max<std::int64_t>(boxes, 1)), 1);
  return ceil_div(tiles, size);
}

}  // namespace

bool winograd_grad_wins(const Conv3dGeometry& g) {
  constexpr std::int64_t kLeastBoxTiles = 16;
  constexpr std::int64_t kLeastBoxes = 4;
  if (!winograd_runs(Conv3dPass::grad_weight, g) || g.x.c < WinogradGradPlan::kGroup ||
      g.y.c < WinogradGradPlan::kGroup) {
    return false;
  }
  const WinogradGradPlan p = winograd_grad_plan(one_case(g), 1);
  return p.tiles() >= kLeastBoxTiles && p.boxes() >= kLeastBoxes;
}

WinogradGradPlan winograd_grad_plan(const Conv3dGeometry& g, int threads) {
  using P = WinogradGradPlan;
  P p;
  p.x = g.x;
  p.y = g.y;
  p.padding = g.padding;
  const auto share = [](std::int64_t channels, std::int64_t& of_task) {
    const std::int64_t groups = std::max<std::int64_t>(ceil_div(channels, P::kGroup), 1);
    of_task = (groups % 2 == 0 ? 2 : 1) * P::kGroup;
    return groups * P::kGroup / of_task;
  };
  p.in_shares = share(g.x.c, p.in_channels);
  p.out_shares = share(g.y.c, p.out_channels);
  const std::int64_t most_tiles = std::max(p.in_channels, p.out_channels) > P::kGroup ? 16 : 32;  // points stay in L1
  p.boxes_w = cut(ceil_div(g.y.w, P::kM), most_tiles, p.tiles_w);
  p.boxes_h = cut(ceil_div(g.y.h, P::kM), most_tiles / p.tiles_w, p.tiles_h);
  p.boxes_d = ceil_div(g.y.d, P::kM);
  const std::int64_t wanted =
      std::min({ceil_div(kFewThreads, p.shares()), kSumElements / (p.shares() * p.sum_elements()),
                p.boxes() * p.tiles() / kPartTiles});
  const std::int64_t parts = std::max<std::int64_t>(wanted, 1);
  p.parts = static_cast<std::int64_t>(std::bit_floor(static_cast<std::uint64_t>(parts)));  // two threads share evenly
  const auto halve = [&](std::int64_t& channels, std::int64_t& shares) {
    if (p.tasks() < threads && channels > P::kGroup) {
      channels /= 2;
      shares *= 2;
    }
  };
  halve(p.out_channels, p.out_shares);
  halve(p.in_channels, p.in_shares);
  while (p.tasks() < threads && p.point_shares < kMostPointShares) { p.point_shares *= 2; }
  return p;
}

WinogradBox WinogradGradPlan::box(std::int64_t i) const {
  const std::int64_t w = i / boxes_d % boxes_w;
  const std::int64_t h = i / boxes_d / boxes_w % boxes_h;
  return {.n = i / boxes_d / boxes_w / boxes_h,
          .d = i % boxes_d * kM,
          .h = h * tiles_h * kM,
          .w = w * tiles_w * kM,
          .tiles_h = tiles_h,
          .tiles_w = tiles_w};
}

std::int64_t WinogradGradPlan::worker_elements() const {
  const auto of = [](const Side& s) { return s.lines + s.points; };
  return round_up(of(x_side()) + of(y_side()), kPageElements);
}

std::int64_t scratch_elements(const WinogradGradPlan& p, int threads) {
  return p.shared_elements() + std::min<std::int64_t>(threads, p.tasks()) * p.worker_elements();
}

}  // namespace vox
