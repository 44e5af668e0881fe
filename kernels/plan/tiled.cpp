#include "kernels/plan/tiled.h"

#include <algorithm>
#include <type_traits>

#include "kernels/plan/amx.h"
#include "kernels/plan/gemm.h"
#include "kernels/plan/tasks.h"
#include "kernels/plan/winograd.h"

namespace vox {
namespace {

constexpr std::int64_t kMaxWidth = 4096;           // a gathered row of one block: 128 KiB of f32
constexpr std::int64_t kGatherElements = 1 << 17;  // 512 KiB of f32: half of a small L2
constexpr std::int64_t kTileElements = 1 << 15;    // 128 KiB of f32: what a block's results may take
constexpr std::int64_t kWeightElements = 1 << 13;  // 32 KiB of f32: weights that stay in L1 while tiles go by
constexpr std::int64_t kFewestGradTasks = 32;
constexpr std::int64_t kPartVoxels = 512;        // of a weight gradient: less do not pay for a part's zeros and sum
constexpr std::int64_t kPartElements = 1 << 21;  // 8 MiB of f32: all parts of a weight gradient, unless one is larger

/// The widest group that wastes no block, or two where the number of blocks is odd.
std::int64_t group_of(std::int64_t blocks) {
  if (blocks == 1) { return kBlock8; }
  return blocks % 4 == 0 ? 4 * kBlock8 : 2 * kBlock8;
}

void set_block(Conv3dTiling& t, std::int64_t block_d, std::int64_t block_h) {
  t.blocks_d = ceil_div(t.lattice_d, block_d);
  t.blocks_h = ceil_div(t.lattice_h, block_h);
  t.block_d = ceil_div(t.lattice_d, t.blocks_d);  // of equal size
  t.block_h = ceil_div(t.lattice_h, t.blocks_h);
  t.planes = (t.block_d - 1) * t.in_step + t.span;
  t.rows = (t.block_h - 1) * t.in_step + t.span;
}

/// Rows gathered per row computed.
double halo_cost(const Conv3dTiling& t) {
  return static_cast<double>(t.planes * t.rows) / static_cast<double>(t.block_d * t.block_h);
}

/// The block with the least halo that leaves enough blocks to share and fits the cache.
void choose_block(Conv3dTiling& t, std::int64_t gathered_blocks, std::int64_t wanted_blocks) {
  constexpr std::array<std::int64_t, 10> kSides = {1, 2, 3, 4, 6, 8, 12, 16, 24, 32};
  Conv3dTiling best = t;
  set_block(best, 1, 1);
  for (const std::int64_t block_d : kSides) {
    for (const std::int64_t block_h : kSides) {
      if (block_d > t.lattice_d || block_h > t.lattice_h) { continue; }
      Conv3dTiling c = t;
      set_block(c, block_d, block_h);
      const bool fits_cache =
          c.gathered_elements() * gathered_blocks <= kGatherElements && c.voxels() * c.group <= kTileElements;
      if (fits_cache && c.blocks() >= wanted_blocks && halo_cost(c) < halo_cost(best)) { best = c; }
    }
  }
  t = best;
}

}  // namespace

template <class T> bool fits(const CpuQueue& q, Conv3dAlgorithm algorithm, Conv3dPass pass, const Conv3dGeometry& g) {
  switch (algorithm) {
    case Conv3dAlgorithm::amx:
      return q.isa == Isa::amx && !std::is_same_v<T, double> && amx_takes(g);
    case Conv3dAlgorithm::gemm:
      return gemm_takes(g);
    case Conv3dAlgorithm::winograd:
      return winograd_runs(pass, g);
    case Conv3dAlgorithm::tiled:
      return g.kernel <= 7 && g.stride <= 4 && std::max(g.x.w, g.y.w) <= kMaxWidth;
    case Conv3dAlgorithm::direct:
      return true;
    case Conv3dAlgorithm::tensor_core:
    case Conv3dAlgorithm::count_:
      break;
  }
  return false;
}
template bool fits<float>(const CpuQueue&, Conv3dAlgorithm, Conv3dPass, const Conv3dGeometry&);
template bool fits<double>(const CpuQueue&, Conv3dAlgorithm, Conv3dPass, const Conv3dGeometry&);
template bool fits<Bf16>(const CpuQueue&, Conv3dAlgorithm, Conv3dPass, const Conv3dGeometry&);

template <class T> bool suits(const CpuQueue& q, Conv3dAlgorithm algorithm, Conv3dPass pass, const Conv3dGeometry& g) {
  if (q.conv == ConvChoice::definition) { return algorithm == Conv3dAlgorithm::direct; }
  if (algorithm == Conv3dAlgorithm::amx) {
    return q.conv == ConvChoice::amx ||
           (q.conv == ConvChoice::automatic && amx_wins(g, pass, !std::is_same_v<T, Bf16>));
  }
  if (algorithm != Conv3dAlgorithm::winograd || q.conv == ConvChoice::winograd) { return true; }
  return q.conv == ConvChoice::automatic && !std::is_same_v<T, double> && winograd_wins(pass, g);
}
template bool suits<float>(const CpuQueue&, Conv3dAlgorithm, Conv3dPass, const Conv3dGeometry&);
template bool suits<double>(const CpuQueue&, Conv3dAlgorithm, Conv3dPass, const Conv3dGeometry&);
template bool suits<Bf16>(const CpuQueue&, Conv3dAlgorithm, Conv3dPass, const Conv3dGeometry&);

Conv3dTiling conv3d_tiling(const Conv3dGeometry& g, Conv3dPass pass, int threads) {
  const bool spread = pass == Conv3dPass::spread;
  Conv3dTiling t;
  t.pass = pass;
  t.in = spread ? g.y : g.x;
  t.out = spread ? g.x : g.y;
  t.in_step = spread ? 1 : g.stride;
  t.out_step = spread ? g.stride : 1;
  t.delta_min = spread ? ceil_div_signed(g.padding - g.kernel + 1, g.stride) : -g.padding;
  t.span = spread ? (g.stride - 1 + g.padding) / g.stride - t.delta_min + 1 : g.kernel;
  t.lattice_d = ceil_div(t.out.d, t.out_step);
  t.lattice_h = ceil_div(t.out.h, t.out_step);
  t.lattice_w = ceil_div(t.out.w, t.out_step);
  t.positions = ceil_div_signed((t.lattice_w - 1) * t.in_step + t.span, t.in_step);
  t.group = group_of(t.out.blocks());
  t.groups = ceil_div(t.out.blocks() * kBlock8, t.group);
  t.taps = g.kernel * g.kernel * g.kernel;
  t.chunk = std::max<std::int64_t>(1, kWeightElements / (t.taps * kBlock8 * t.group));
  if (pass == Conv3dPass::grad_weight) {
    const std::int64_t weights = t.groups * t.in.blocks() * t.taps * kBlock8 * t.group;
    const std::int64_t tasks = std::max(ceil_div(kFewestGradTasks, t.groups),
                                        ceil_div(kMostTasks, t.groups * std::max<std::int64_t>(t.in.blocks(), 1)));
    const std::int64_t with_work = t.out.n * t.out.d * t.out.h * t.out.w / kPartVoxels;
    const std::int64_t wanted = std::max<std::int64_t>(1, std::min({tasks, with_work, kPartElements / weights}));
    choose_block(t, 1, wanted);
    t.parts = std::min(t.blocks(), wanted);
    t.in_per_task = std::clamp<std::int64_t>(
        t.parts * t.groups * t.in.blocks() / std::max<std::int64_t>(threads, kFewestGradTasks), 1, t.in.blocks());
  } else {
    choose_block(t, t.in.blocks(), ceil_div(kFewThreads, t.groups) * t.in.n);
    t.groups_per_task = std::clamp<std::int64_t>(t.groups * t.blocks() / wanted_tasks(threads), 1, t.groups);
  }
  return t;
}

std::int64_t Conv3dTiling::tasks() const {
  return pass == Conv3dPass::grad_weight ? parts * groups * in_shares() : blocks() * ceil_div(groups, groups_per_task);
}

std::int64_t Conv3dTiling::shared_elements() const {
  return pass == Conv3dPass::grad_weight ? parts * groups * in.blocks() * taps * kBlock8 * group : packed_elements();
}

std::int64_t Conv3dTiling::worker_elements() const {
  const std::int64_t gathered = pass == Conv3dPass::grad_weight ? 1 : in.blocks();
  const std::int64_t elements = gathered * gathered_elements() + voxels() * group;
  return round_up(elements, kPageElements);
}

std::int64_t scratch_elements(const Conv3dTiling& t, int threads) {
  return t.shared_elements() + std::min<std::int64_t>(threads, t.tasks()) * t.worker_elements();
}

namespace {

/// One axis of a class: tap tap_first + j*tap_step reads delta_first + j.
struct AxisTaps {
  std::int64_t count;
  std::int64_t tap_first;
  std::int64_t tap_step;
  std::int64_t delta_first;
};

AxisTaps taps_of(const Conv3dGeometry& g, const Conv3dTiling& t, std::int64_t residue) {
  if (t.pass != Conv3dPass::spread) { return {g.kernel, 0, 1, -g.padding}; }
  const std::int64_t lowest = (residue + g.padding) % g.stride;  // taps of one class are a stride apart
  const std::int64_t count = lowest < g.kernel ? (g.kernel - 1 - lowest) / g.stride + 1 : 0;
  const std::int64_t highest = lowest + (count - 1) * g.stride;  // reads the first voxel
  return {count, highest, -g.stride, (residue + g.padding - highest) / g.stride};
}

}  // namespace

Conv3dTaps conv3d_taps(const Conv3dGeometry& g, const Conv3dTiling& t) {
  Conv3dTaps all{};
  const std::int64_t step = t.out_step;
  std::int64_t count = 0;
  for (std::int64_t c = 0; c < step * step * step; ++c) {
    const std::array<std::int64_t, 3> residue = {c / step / step, c / step % step, c % step};
    const AxisTaps d = taps_of(g, t, residue[0]);
    const AxisTaps h = taps_of(g, t, residue[1]);
    const AxisTaps w = taps_of(g, t, residue[2]);
    Conv3dTaps::Class& mine = all.classes[static_cast<std::size_t>(c)];
    mine.first = residue;
    mine.extent = {ceil_div_signed(t.out.d - residue[0], step), ceil_div_signed(t.out.h - residue[1], step),
                   ceil_div_signed(t.out.w - residue[2], step)};
    mine.begin = count;
    for (std::int64_t i = 0; i < d.count * h.count * w.count; ++i, ++count) {
      const std::int64_t jd = i / w.count / h.count;
      const std::int64_t jh = i / w.count % h.count;
      const std::int64_t jw = i % w.count;
      const std::int64_t tap = ((d.tap_first + jd * d.tap_step) * g.kernel + h.tap_first + jh * h.tap_step) * g.kernel +
                               w.tap_first + jw * w.tap_step;
      all.tap[static_cast<std::size_t>(count)] = tap;
      all.place[static_cast<std::size_t>(tap)] = count;
      all.offset[static_cast<std::size_t>(count)] = t.offset_of(
          d.delta_first + jd - t.delta_min, h.delta_first + jh - t.delta_min, w.delta_first + jw - t.delta_min);
    }
    mine.end = count;
    mine.run = w.count % 3 == 0 && t.in_step == 1 ? 3 : 1;
  }
  all.class_count = step * step * step;
  return all;
}

}  // namespace vox
