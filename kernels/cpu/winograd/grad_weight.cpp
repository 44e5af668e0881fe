#include "kernels/cpu/winograd/grad_weight.h"

#include <utility>

#include "kernels/base/parallel.h"
#include "kernels/cpu/winograd/ahead.h"
#include "kernels/cpu/winograd/grad_tile.h"
#include "kernels/cpu/winograd/input.h"
#include "kernels/plan/winograd_grad.h"

namespace vox {
namespace {

/// So many channels of one case, from `channel` on, as a volume of its own; those that do not exist are left out.
template <class T>
WinogradSource<T> some_blocks(const VolumeParts<const T>& x, VolumeShape s, std::int64_t n, std::int64_t channel,
                              std::int64_t channels, std::int64_t padding) {
  const std::int64_t first = channel / kBlock8;
  s.c = std::clamp<std::int64_t>(s.c - channel, 0, channels);
  s.n = 1;
  const std::int64_t here = std::clamp<std::int64_t>(x.first_blocks - first, 0, s.blocks());
  VolumeParts<const T> parts{.first = s.c > 0 ? x.at(n, first) : nullptr,
                             .second = nullptr,
                             .first_blocks = static_cast<int>(here > 0 ? here : s.blocks()),
                             .second_blocks = 0,
                             .block = x.block};
  if (here > 0 && here < s.blocks()) {
    parts.second = x.at(n, x.first_blocks);
    parts.second_blocks = static_cast<int>(s.blocks() - here);
  }
  return {.parts = parts, .shape = s, .padding = padding};
}

/// One side, x or dy, of a box on its way to points.
template <class Axis, class T> class WinogradSide {
 public:
  using A = Acc<T>;
  WinogradSide(const WinogradGradPlan::Side& side, std::int64_t channels, A* scratch)
      : channels_(channels),
        point_(side.lines / (Axis::kOut * Axis::kOut)),
        lines_(scratch),
        points_(lines_ + side.lines),
        end_(points_ + side.points) {}
  [[nodiscard]] A* end() const { return end_; }

  /// Points of D and H, of the whole box.
  void read(const WinogradSource<T>& source, WinogradBox box) {
    box.n = 0;
    winograd_lines<Axis>(source, box, channels_, lines_);
  }
  /// The points of W of point `pd_ph` of D and H.
  void transform(int pd_ph, std::int64_t tiles_h, std::int64_t tiles_w) {
    winograd_points<Axis>(lines_ + pd_ph * point_, tiles_h, tiles_w, channels_, points_);
  }
  [[nodiscard]] const A* points(int pw) const { return points_ + pw * WinogradPlan::kGroup; }

 private:
  std::int64_t channels_;
  std::int64_t point_;  ///< lines of one point of D and H
  A* lines_;
  A* points_;
  A* end_;
};

/// The task's points of dU: its boxes, added up in order. AllPoints: p.point_shares is 1.
template <bool AllPoints, class T>
void add_boxes(const WinogradGradPlan& p, const Conv3dGradWeightArgs<T>& a, std::int64_t task, Acc<T>* sums,
               Acc<T>* scratch) {
  using A = Acc<T>;
  constexpr int kM = static_cast<int>(WinogradGradPlan::kM);
  constexpr int kAxis = static_cast<int>(WinogradGradPlan::kAxis);
  constexpr int kLines = kAxis * kAxis;  // points of D and H
  const std::int64_t of_sum = task / p.point_shares;
  const int share = static_cast<int>(task % p.point_shares);
  const int first_point = AllPoints ? 0 : kLines * share / static_cast<int>(p.point_shares);
  const int last_point = AllPoints ? kLines : kLines * (share + 1) / static_cast<int>(p.point_shares);
  const std::int64_t part = of_sum / p.shares();
  const std::int64_t in = of_sum % p.in_shares * p.in_channels;
  const std::int64_t out = of_sum / p.in_shares % p.out_shares * p.out_channels;
  const VolumeParts<const T> x = x_side(a.geometry, a.x, a.x2);
  const VolumeParts<const T> dy = y_side(a.geometry, a.dy);
  WinogradSide<InputAxis<kM>, T> x_points(p.x_side(), p.in_channels, scratch);
  WinogradSide<GradientAxis<kM>, T> y_points(p.y_side(), p.out_channels, x_points.end());
  const std::int64_t end = p.boxes() * (part + 1) / p.parts;
  const std::int64_t point = p.in_channels * p.out_channels;
  A* const mine = sums + of_sum * p.sum_elements() + first_point * kAxis * point;
  std::fill_n(mine, (last_point - first_point) * kAxis * point, A{0});
  const auto x_of = [&](std::int64_t n) { return some_blocks<T>(x, p.x, n, in, p.in_channels, p.padding); };
  const auto y_of = [&](std::int64_t n) { return some_blocks<T>(dy, p.y, n, out, p.out_channels, 0); };
  for (std::int64_t i = p.boxes() * part / p.parts; i < end; ++i) {
    const WinogradBox box = p.box(i);
    x_points.read(x_of(box.n), box);
    y_points.read(y_of(box.n), box);
    WinogradAhead<const T> next_x;
    WinogradAhead<const T> next_y;
    if (i + 1 < end) {
      WinogradBox next = p.box(i + 1);
      const std::int64_t n = std::exchange(next.n, 0);
      next_x = ahead_of<InputAxis<kM>>(x_of(n), next);
      next_y = ahead_of<GradientAxis<kM>>(y_of(n), next);
    }
    const std::int64_t x_lines = next_x.lines() / WinogradGradPlan::kPoints + 1;
    const std::int64_t y_lines = next_y.lines() / WinogradGradPlan::kPoints + 1;
    A* sum = mine;
    for (int pd_ph = first_point; pd_ph < last_point; ++pd_ph) {
      x_points.transform(pd_ph, p.tiles_h, p.tiles_w);
      y_points.transform(pd_ph, p.tiles_h, p.tiles_w);
      for (int pw = 0; pw < kAxis; ++pw, sum += point) {
        next_x.fetch(x_lines);
        next_y.fetch(y_lines);
        multiply_point(PointArgs<A>{.x = x_points.points(pw),
                                    .y = y_points.points(pw),
                                    .sum = sum,
                                    .tiles = p.tiles(),
                                    .x_step = kAxis * p.in_channels,
                                    .y_step = kAxis * p.out_channels,
                                    .out_channels = p.out_channels},
                       p.in_channels);
      }
    }
  }
}

/// G^T along one axis of from[before][kAxis][after], to [before][3][after].
template <class V, class A> VOX_INLINED inline void along_axis(const V* from, int before, int after, V* to) {
  using Axis = FilterGradientAxis<static_cast<int>(WinogradGradPlan::kM)>;
  for (int i = 0; i < before; ++i) {
    for (int j = 0; j < after; ++j) {
      Several<V, Axis::kIn> u;
      Several<V, Axis::kOut> g;
      for (int k = 0; k < Axis::kIn; ++k) { u[k] = from[(i * Axis::kIn + k) * after + j]; }
      Axis::template apply<A>(u, g);
      for (int k = 0; k < Axis::kOut; ++k) { to[(i * Axis::kOut + k) * after + j] = g[k]; }
    }
  }
}

/// dW = G^T dU G for a vector of output channels of one input channel, from the sum of the parts.
template <class A>
void finish_outputs(const WinogradGradPlan& p, const A* sums, std::int64_t c, std::int64_t first, A* dweight) {
  constexpr int kLanes = kLanesOf<A>;
  using V = Vector<A, kLanes>;
  using P = WinogradGradPlan;
  constexpr int kAxis = static_cast<int>(P::kAxis);
  const std::int64_t task = first / p.out_channels * p.in_shares + c / p.in_channels;
  const A* const from = sums + task * p.sum_elements() + c % p.in_channels * p.out_channels + first % p.out_channels;
  V u[kAxis * kAxis * kAxis];
  for (int i = 0; i < kAxis * kAxis * kAxis; ++i) {
    u[i] = V{};
    for (std::int64_t part = 0; part < p.parts; ++part) {
      V one;
      load_vector(one, from + part * p.shares() * p.sum_elements() + i * p.in_channels * p.out_channels);
      u[i] += one;
    }
  }
  V d[3 * kAxis * kAxis];
  V h[9 * kAxis];
  V w[27];
  along_axis<V, A>(u, 1, kAxis * kAxis, d);
  along_axis<V, A>(d, 3, kAxis, h);
  along_axis<V, A>(h, 9, 1, w);
  for (std::int64_t o = 0; o < std::min<std::int64_t>(kLanes, p.y.c - first); ++o) {
    for (int k = 0; k < 27; ++k) { dweight[((first + o) * p.x.c + c) * 27 + k] = w[k][o]; }
  }
}

}  // namespace

template <class T> void grad_weight_winograd(const IsaQueue& q, const Conv3dGradWeightArgs<T>& a) {
  const WinogradGradPlan p = winograd_grad_plan(a.geometry, q.threads);
  Acc<T>* const scratch = a.scratch.data();
  parallel_tasks(q, p.tasks(), [&](int worker, std::int64_t i) {
    Acc<T>* const mine = scratch + p.shared_elements() + worker * p.worker_elements();
    p.point_shares == 1 ? add_boxes<true>(p, a, i, scratch, mine) : add_boxes<false>(p, a, i, scratch, mine);
  });
  parallel_for(q, p.x.c, [&](std::int64_t c) {
    for (std::int64_t o = 0; o < p.y.c; o += kLanesOf<Acc<T>>) { finish_outputs(p, scratch, c, o, a.dweight.data()); }
  });
}

template void grad_weight_winograd(const IsaQueue&, const Conv3dGradWeightArgs<float>&);
VOX_OF_F64(template void grad_weight_winograd(const IsaQueue&, const Conv3dGradWeightArgs<double>&);)
template void grad_weight_winograd(const IsaQueue&, const Conv3dGradWeightArgs<Bf16>&);

}  // namespace vox
