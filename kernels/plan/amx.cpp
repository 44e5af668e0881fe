#include "kernels/plan/amx.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "kernels/plan/amx_gemm.h"
#include "kernels/plan/tasks.h"

namespace vox {
namespace {

constexpr std::int64_t kMaxWidth = 1024;
constexpr std::int64_t kMaxChannels = 1024;
constexpr std::int64_t kStagedBytes = 704 << 10;  // a third of an L2 of 2 MiB: weights stream through the rest
constexpr std::int64_t kRing = 4;                 // planes: three that are multiplied, one that is staged meanwhile
constexpr std::int64_t kLeastStreamedRows = 10;
constexpr std::int64_t kStreamedWeightBytes = 512 << 10;  // they are read once for every plane
constexpr std::int64_t kStagedGradBytes = 1 << 20;
constexpr std::int64_t kLeastGradPairs = 128;  // of positions that are added up at once, of several planes if need be
constexpr std::int64_t kCoarseTasks = kFewThreads;
constexpr std::int64_t kLeastSumVoxels = 8192;  // of a partial sum, where there are more than kCoarseTasks of them
constexpr std::int64_t kSumFloats = 1 << 21;    // 8 MiB: all partial sums, unless one is larger
constexpr std::int64_t kSlackFloats = 1024;     // tiles read past the last row
constexpr double kStaging = 0.25;               // what staging a plane costs, in products of a tile of channels with it

/// The boxes with the least halo that fit, or single rows.
template <class Fits> AmxBoxes choose_boxes(const VolumeShape& out, const Fits& fits) {
  constexpr std::array<std::int64_t, 13> kSides = {1, 2, 3, 4, 5, 6, 8, 12, 16, 24, 32, 48, 64};
  const auto boxes_of = [&](std::int64_t depth, std::int64_t height) {
    AmxBoxes b;
    b.along_d = std::max<std::int64_t>(1, ceil_div(out.d, depth));
    b.along_h = std::max<std::int64_t>(1, ceil_div(out.h, height));
    b.depth = std::max<std::int64_t>(1, ceil_div(out.d, b.along_d));
    b.height = std::max<std::int64_t>(1, ceil_div(out.h, b.along_h));
    return b;
  };
  const auto halo = [](const AmxBoxes& b) {
    return static_cast<double>((b.depth + 2) * (b.height + 2)) / static_cast<double>(b.depth * b.height);
  };
  AmxBoxes best = boxes_of(1, 1);
  for (const std::int64_t depth : kSides) {
    for (const std::int64_t height : kSides) {
      const AmxBoxes b = boxes_of(depth, height);
      if (fits(b) && halo(b) < halo(best)) { best = b; }
    }
  }
  return best;
}

/// Cuts the boxes of a case thinner along D, until twice kMostTasks tasks of two tiles of channels can be made of them:
/// so many can be shared out evenly. A stack of the thin ones is a box as it was.
void cut_thinner(AmxConv& c) {
  const std::int64_t depth = c.boxes.depth;
  const std::int64_t most_shares = ceil_div(c.columns, 2);
  for (std::int64_t n = 2; n <= depth && c.boxes_of_case() * most_shares < 2 * kMostTasks; ++n) {
    if (depth % n != 0) { continue; }
    c.stack = n;
    c.boxes.depth = depth / n;
    c.boxes.along_d = std::max<std::int64_t>(1, ceil_div(c.out.d, c.boxes.depth));
  }
}

/// The stacks and shares of channels with which so many threads are done first.
void share_out(AmxConv& c, int threads) {
  double least = std::numeric_limits<double>::max();
  AmxConv best = c;
  for (AmxConv some = c; some.stack >= 1; --some.stack) {
    for (some.columns_per_task = c.columns_per_task; some.columns_per_task >= 1; some.columns_per_task -= 2) {
      const auto turns = static_cast<double>(ceil_div(some.tasks(), threads));
      const auto planes = static_cast<double>(some.stack * c.boxes.depth);
      const double time = turns * (planes * static_cast<double>(some.columns_per_task) + kStaging * (planes + 2));
      if (time < least) {
        least = time;
        best = some;
      }
    }
  }
  c = best;
}

/// The same for a weight gradient's tiles of output and input channels.
void share_out(AmxGradWeight& w, int threads) {
  double least = std::numeric_limits<double>::max();
  AmxGradWeight best = w;
  AmxGradWeight some = w;
  for (some.rows_per_task = w.rows_per_task; some.rows_per_task >= 1; --some.rows_per_task) {
    for (some.columns_per_task = w.columns_per_task; some.columns_per_task >= 1; --some.columns_per_task) {
      const auto turns = static_cast<double>(ceil_div(some.tasks(), threads));
      const double time = turns * (static_cast<double>(some.rows_per_task * some.columns_per_task) +
                                   kStaging * static_cast<double>(some.rows_per_task + some.columns_per_task));
      if (time < least) {
        least = time;
        best = some;
      }
    }
  }
  w = best;
}

}  // namespace

bool amx_takes(const Conv3dGeometry& g) {
  const bool threes = g.kernel == 3 && g.stride == 1 && g.padding <= 2 && std::max(g.x.w, g.y.w) <= kMaxWidth;
  return (threes || gemm_takes(g)) && std::max(g.x.c, g.y.c) <= kMaxChannels && g.y.voxels() > 0;
}

bool amx_wins(const Conv3dGeometry& g, Conv3dPass pass, bool halved) {
  constexpr std::int64_t kLeastVoxels = 64;        // of a case: fewer do not pay for packing the weight
  constexpr std::int64_t kLeastSideChannels = 16;  // of windows side by side: fewer leave tiles empty
  if (!amx_takes(g)) { return false; }
  if (g.kernel < 3) { return std::min(g.x.c, g.y.c) >= kLeastSideChannels; }
  if (g.y.voxels() < kLeastVoxels) { return false; }
  if (!halved) { return true; }
  if (pass != Conv3dPass::grad_weight) { return std::max(g.x.c, g.y.c) >= kAmxColumns; }
  return g.y.c >= kAmxRows && (g.x.c <= 4 || g.x.c >= kAmxColumns);
}

AmxConv amx_conv(const Conv3dGeometry& g, Conv3dPass pass, bool halved, int threads) {
  const bool spread = pass == Conv3dPass::spread;
  AmxConv c;
  c.pass = pass;
  c.in = spread ? g.y : g.x;
  c.out = spread ? g.x : g.y;
  c.delta_min = spread ? g.padding - 2 : -g.padding;
  c.channels = c.in.c <= 4 ? 4 : c.in.c <= 8 ? 8 : c.in.c <= 16 ? 16 : 32;
  c.groups = ceil_div(c.in.c, c.channels);
  const bool joined = halved && c.channels <= 16;
  c.unit = joined ? 2 * c.channels : c.channels;
  c.halves_apart = halved && !joined ? 2 : 1;
  c.positions = kAmxDepth / c.unit;
  c.steps = ceil_div(3, c.positions);
  c.products = !halved ? 1 : joined ? 2 : 3;
  c.weight_halves = halved ? 2 : 1;
  c.columns = ceil_div(c.out.c, kAmxColumns);
  c.pitch = c.out.w + 2;
  const std::int64_t row_bytes = c.pitch * c.channels * c.groups * 4;  // of f32; bf16 has the same boxes
  const std::int64_t most_rows = kStagedBytes / row_bytes;
  const std::int64_t wanted = ceil_div(kCoarseTasks, c.columns);
  const std::int64_t weight_bytes = c.columns * c.groups * c.channels * kAmxColumns * 27 * 4;
  const bool ring = weight_bytes <= kStreamedWeightBytes && most_rows >= kRing * kLeastStreamedRows;
  c.boxes = choose_boxes(c.out, [&](const AmxBoxes& b) {
    const bool fits = (ring ? kRing : b.depth + 2) * (b.height + 2) <= std::max<std::int64_t>(9, most_rows);
    return fits && b.along_d * b.along_h >= wanted;
  });
  const std::int64_t boxes = std::max<std::int64_t>(1, c.box_count());
  const std::int64_t shares = std::clamp<std::int64_t>(ceil_div(kCoarseTasks, boxes), 1, ceil_div(c.columns, 2));
  c.columns_per_task = round_up(ceil_div(c.columns, shares), c.columns > 1 ? 2 : 1);
  if (c.packs_alone()) { c.columns_per_task = std::min<std::int64_t>(c.columns, 2); }
  cut_thinner(c);
  if (threads > kFewThreads) { share_out(c, threads); }
  const std::int64_t planes = c.stack * c.boxes.depth + 2;
  c.staged_planes = ring ? std::min(kRing, planes) : planes;
  return c;
}

bool AmxConv::packs_alone() const {
  constexpr std::int64_t kFewBoxes = 4;
  constexpr std::int64_t kManyTiles = 1024;  // 1 MiB of packed weights
  return columns * tiles() >= kManyTiles && stack_count() <= kFewBoxes;
}

std::int64_t AmxConv::shared_floats() const {
  return round_up(columns * tiles() * kAmxTileBytes / 4 + columns * kAmxColumns, kPageElements);
}
std::int64_t AmxConv::staged_floats() const {
  return round_up(staged_planes * staged_plane() / 2 + kSlackFloats, kPageElements);
}
std::int64_t AmxConv::worker_floats() const {
  constexpr std::int64_t kSums = std::int64_t{2} * 4 * kAmxRows * kAmxColumns;
  return staged_floats() + round_up(kSums, kPageElements);
}

AmxGradWeight amx_grad_weight(const Conv3dGeometry& g, bool halved, int threads) {
  AmxGradWeight w;
  w.x = g.x;
  w.dy = g.y;
  w.padding = g.padding;
  w.halves = halved ? 2 : 1;
  w.copies = g.x.c <= 4 ? 3 : 1;
  w.rows = ceil_div(g.y.c, kAmxRows);
  w.columns = ceil_div(g.x.c, kAmxColumns);
  w.pitch = g.y.w + 2;
  const std::int64_t cases = std::max<std::int64_t>(1, g.x.n);
  const std::int64_t most_sums = std::max<std::int64_t>(1, kSumFloats / w.sum_floats());
  const std::int64_t many =
      std::min(ceil_div(kMostTasks, w.rows * w.columns), w.dy.n * w.dy.voxels() / kLeastSumVoxels);
  const std::int64_t sums = std::min(std::max(kCoarseTasks, many), most_sums);
  // The channels of a task: all, unless there are too few sums to make tasks of.
  const std::int64_t shares = ceil_div(kCoarseTasks, sums);
  const auto along_rows = static_cast<std::int64_t>(std::ceil(std::sqrt(static_cast<double>(shares))));
  w.rows_per_task = std::max<std::int64_t>(1, ceil_div(w.rows, along_rows));
  w.columns_per_task = std::max<std::int64_t>(1, ceil_div(w.columns, ceil_div(shares, w.row_shares())));
  const auto ring = [&](const AmxBoxes& b) {
    AmxGradWeight r = w;
    const std::int64_t half = AmxGradWeight::pairs(b.depth);
    r.boxes = b;
    r.together = std::clamp<std::int64_t>(kLeastGradPairs / w.positions(b.height), 1, kAmxGradTogether);
    r.together = std::min(r.together, half);
    r.x_staged_planes = std::min(2 * r.together, half) + 2;
    r.dy_staged_planes = std::min(2 * r.together, half);
    return r;
  };
  const std::int64_t x_row = w.columns_per_task * kAmxColumns;  // in units that both have
  const std::int64_t dy_row = w.rows_per_task * kAmxRows;
  const std::int64_t most_rows = std::max(9 * x_row + dy_row, kStagedGradBytes / (w.pitch * 4 * w.halves));
  w = ring(choose_boxes(g.y, [&](const AmxBoxes& b) {
    const AmxGradWeight r = ring(b);
    return r.x_staged_planes * (b.height + 2) * x_row + r.dy_staged_planes * b.height * dy_row <= most_rows &&
           (b.depth % 2 == 0 || b.depth == g.y.d) && g.x.n * b.along_d * b.along_h >= std::max(cases, sums);
  }));
  w.sums = std::max<std::int64_t>(1, std::min(sums, w.box_count()));
  w.length = w.positions(w.boxes.height);
  if (w.length / kAmxRows % 2 == 0) { w.length += kAmxRows; }  // rows that share a cache set would evict each other
  w.stretch = w.length + round_up(2 * w.pitch + 2, kAmxRows);
  if (threads > kFewThreads) { share_out(w, threads); }
  return w;
}

std::int64_t AmxGradWeight::worker_floats() const {
  return round_up((x_staged_planes * x_plane() + dy_staged_planes * dy_plane()) / 2 + kSlackFloats, kPageElements);
}

std::int64_t amx_scratch(const Conv3dGeometry& g, Conv3dPass pass, int threads) {
  const auto of = [&](const auto& plan) {
    return plan.shared_floats() +
           std::clamp<std::int64_t>(threads, 1, std::max<std::int64_t>(1, plan.tasks())) * plan.worker_floats();
  };
  if (g.kernel < 3) { return of(amx_gemm(g, pass, true, threads)); }
  return pass == Conv3dPass::grad_weight ? of(amx_grad_weight(g, true, threads)) : of(amx_conv(g, pass, true, threads));
}

}  // namespace vox
