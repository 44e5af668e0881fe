#include "kernels/cpu/winograd/convolve.h"

#include "kernels/base/parallel.h"
#include "kernels/cpu/conv3d/epilogue.h"
#include "kernels/cpu/winograd/ahead.h"
#include "kernels/cpu/winograd/filter.h"
#include "kernels/cpu/winograd/input.h"
#include "kernels/cpu/winograd/output.h"
#include "kernels/cpu/winograd/tile.h"

namespace vox {
namespace {

template <class T> struct WinogradConv {
  const WinogradPlan& plan;
  WinogradSource<T> in;
  const Acc<T>* filter;  ///< transformed
  const Acc<T>* bias;    ///< padded
  VolumeParts<T> out;
  Conv3dEpilogue epilogue;
};

/// A worker's scratch.
template <class A> struct WinogradScratch {
  A* lines;   ///< [PD][PH][tiles_h][cols][in_channels]
  A* points;  ///< [tiles][in_channels/16][PW][16], of one point of D and H
  A* sums;    ///< [PD][PH][tiles][MW][channels]
};

/// The part of a task: a box and some output channels.
struct WinogradTask {
  WinogradBox box;
  std::int64_t first_group;
  std::int64_t channels;
};
WinogradTask task_of(const WinogradPlan& p, std::int64_t i) {
  const std::int64_t share = i % p.shares;
  const std::int64_t first = p.groups() * share / p.shares;
  return {.box = p.box(i / p.shares),
          .first_group = first,
          .channels = (p.groups() * (share + 1) / p.shares - first) * WinogradPlan::kGroup};
}

/// All products of a task, transformed along W.
template <int M, class A, class Between>
void multiply(const WinogradPlan& p, const WinogradTask& task, const A* filter, const WinogradScratch<A>& s,
              const Between& between) {
  constexpr std::int64_t kPoints = M + 2;
  const WinogradBox& box = task.box;
  const std::int64_t line = p.skewed(box.tiles_h * (box.tiles_w * M + 2) * p.in_channels);
  const std::int64_t tiles = box.tiles_h * box.tiles_w;
  const std::int64_t group_step = p.in_channels * kPoints * WinogradPlan::kGroup;
  for (std::int64_t point = 0; point < kPoints * kPoints; ++point) {
    winograd_points<InputAxis<M>>(s.lines + point * line, box.tiles_h, box.tiles_w, p.in_channels, s.points);
    WinogradTiles<M, A>::run_all(
        WinogradTileArgs<A>{.points = s.points,
                            .tile_step = kPoints * p.in_channels,
                            .filter = filter + (point * p.groups() + task.first_group) * group_step,
                            .group_step = group_step,
                            .channels = p.in_channels,
                            .sums = s.sums + point * p.skewed(tiles * M * task.channels),
                            .out_channels = task.channels},
        tiles, task.channels, between);
  }
}

/// What a task will write.
template <int M, class T> WinogradAhead<T> output_of(const WinogradConv<T>& conv, const WinogradTask& t) {
  const WinogradBox& b = t.box;
  return {conv.out,
          conv.plan.out,
          b.n,
          t.first_group * 2,
          t.first_group * 2 + t.channels / kBlock8,
          {b.d, b.h, b.w},
          {b.d + M, b.h + b.tiles_h * M, b.w + b.tiles_w * M}};
}
/// What is done to the outputs of a task of a correlation once they are there.
template <int M, class T> void finish(const WinogradConv<T>& conv, const WinogradTask& t) {
  const WinogradPlan& p = conv.plan;
  const WinogradBox& b = t.box;
  const std::int64_t first = t.first_group * WinogradPlan::kGroup / kBlock8;
  const std::int64_t layers = ceil_div(b.tiles_h, p.layer_h);
  for (std::int64_t block = first; block < std::min(first + t.channels / kBlock8, p.out.blocks()); ++block) {
    for (std::int64_t layer = 0; layer < layers; ++layer) {
      const std::int64_t h = b.h + layer * p.layer_h * M;
      finish_box({.moments = conv.epilogue.moments},  // the ReLU is done
                 FinishedBox<T>{.first = conv.out.at(b.n, block) + ((b.d * p.out.h + h) * p.out.w + b.w) * kBlock8,
                                .planes = std::min<std::int64_t>(M, p.out.d - b.d),
                                .rows = std::min(p.layer_h * M, p.out.h - h),
                                .width = std::min(b.tiles_w * M, p.out.w - b.w),
                                .plane = p.out.h * p.out.w * kBlock8,
                                .row = p.out.w * kBlock8,
                                .block = block,
                                .number = p.first_layer(b) + layer * p.boxes_d,
                                .boxes = p.layers()});
    }
  }
}

template <int M, class T>
void run_task(const WinogradConv<T>& conv, std::int64_t i, bool more, const WinogradScratch<Acc<T>>& s) {
  const WinogradPlan& p = conv.plan;
  const WinogradTask task = task_of(p, i);
  winograd_lines<InputAxis<M>, T>(conv.in, task.box, p.in_channels, s.lines);
  WinogradAhead<T> output = output_of<M>(conv, task);
  WinogradAhead<const T> input;
  if (more && (i + 1) / p.shares != i / p.shares) { input = ahead_of<InputAxis<M>>(conv.in, task_of(p, i + 1).box); }
  const std::int64_t calls = WinogradTiles<M, Acc<T>>::calls(task.box.tiles_h * task.box.tiles_w, task.channels);
  const std::int64_t output_lines = output.lines() / ((M + 2) * (M + 2) * calls) + 1;
  const std::int64_t input_lines = input.lines() / ((M + 2) * (M + 2) * calls) + 1;
  multiply<M>(p, task, conv.filter, s, [&] {
    output.fetch(output_lines);
    input.fetch(input_lines);
  });
  winograd_write<M, T>(p, task.box, task.first_group * WinogradPlan::kGroup, task.channels, s.sums, conv.bias,
                       p.pass == Conv3dPass::correlate && conv.epilogue.relu, conv.out);
  if (p.pass == Conv3dPass::correlate) { finish<M>(conv, task); }
}

template <int M, class T> void convolve(const IsaQueue& q, const WinogradPlan& p, const TiledConvArgs<T>& a) {
  pack_winograd<M, T>(q, p, a.weight, a.bias, a.scratch);
  const WinogradConv<T> conv{.plan = p,
                             .in = {.parts = a.in, .shape = p.in, .padding = p.padding},
                             .filter = a.scratch,
                             .bias = a.scratch + p.filter_elements(),
                             .out = a.out,
                             .epilogue = a.epilogue};
  const std::int64_t tasks = p.tasks();
  parallel_tasks(q, tasks, [&](int worker, std::int64_t i) {
    Acc<T>* const mine = a.scratch + p.shared_elements() + worker * p.worker_elements();
    run_task<M>(
        conv, i, i + 1 < tasks,
        {.lines = mine, .points = mine + p.lines_elements(), .sums = mine + p.lines_elements() + p.points_elements()});
  });
}

}  // namespace

template <class T> void convolve_winograd(const IsaQueue& q, const WinogradPlan& p, const TiledConvArgs<T>& a) {
  p.m == 2 ? convolve<2>(q, p, a) : convolve<4>(q, p, a);
}

template void convolve_winograd(const IsaQueue&, const WinogradPlan&, const TiledConvArgs<float>&);
VOX_OF_F64(template void convolve_winograd(const IsaQueue&, const WinogradPlan&, const TiledConvArgs<double>&);)
template void convolve_winograd(const IsaQueue&, const WinogradPlan&, const TiledConvArgs<Bf16>&);

}  // namespace vox
