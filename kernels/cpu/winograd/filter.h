#pragma once

#include "kernels/base/bf16.h"
#include "kernels/base/parallel.h"
#include "kernels/cpu/winograd/transform.h"
#include "kernels/plan/winograd.h"

namespace vox {
namespace {

/// Sixteen outputs of one input channel: taps [27][16] become points, each 16 elements at to[pd*PH + ph][pw][16], the
/// first axis `step` elements apart.
template <int M, class A> VOX_TILE void winograd_filter(const A* taps, std::int64_t step, A* to) {
  using Axis = FilterAxis<M>;
  constexpr int kLanes = kLanesOf<A>;
  constexpr int kPoints = M + 2;
  constexpr std::int64_t kGroup = WinogradPlan::kGroup;
  using V = Vector<A, kLanes>;
  for (std::int64_t o = 0; o < kGroup; o += kLanes) {
    Several<V, 9> along_d[static_cast<std::size_t>(kPoints)];
    for (std::int64_t k = 0; k < 9; ++k) {
      Several<V, 3> in;
      Several<V, kPoints> out;
      unrolled<3>([&](auto i) VOX_INLINED { load_vector(in[i], taps + (i * 9 + k) * kGroup + o); });
      Axis::template apply<A>(in, out);
      unrolled<kPoints>([&](auto i) VOX_INLINED { along_d[i][k] = out[i]; });
    }
    for (std::int64_t pd = 0; pd < kPoints; ++pd) {
      Several<V, 3> along_h[static_cast<std::size_t>(kPoints)];
      unrolled<3>([&](auto k) VOX_INLINED {
        const Several<V, 3> in = {along_d[pd][k], along_d[pd][3 + k], along_d[pd][6 + k]};
        Several<V, kPoints> out;
        Axis::template apply<A>(in, out);
        unrolled<kPoints>([&](auto i) VOX_INLINED { along_h[i][k] = out[i]; });
      });
      for (std::int64_t ph = 0; ph < kPoints; ++ph) {
        const Several<V, 3> in = {along_h[ph][0], along_h[ph][1], along_h[ph][2]};
        Several<V, kPoints> out;
        Axis::template apply<A>(in, out);
        A* const row = to + (pd * kPoints + ph) * step + o;
        unrolled<kPoints>([&](auto i) VOX_INLINED { store_vector(row + i * kGroup, out[i]); });
      }
    }
  }
}

/// The weight rounded to T, transformed: [PD][PH][groups][in_channels][PW][16], and the bias [out_channels] after it.
/// Channels that do not exist are zero. The weight of the pass spread is read mirrored and transposed.
template <int M, class T>
void pack_winograd(const IsaQueue& q, const WinogradPlan& p, const Acc<T>* weight, const Acc<T>* bias, Acc<T>* packed) {
  using A = Acc<T>;
  constexpr int kTaps = 27;
  constexpr int kGroup = WinogradPlan::kGroup;
  constexpr std::int64_t kRow = (M + 2) * kGroup;
  const bool spread = p.pass == Conv3dPass::spread;
  const std::int64_t o_step = spread ? kTaps : p.in.c * kTaps;
  const std::int64_t i_step = spread ? p.out.c * kTaps : kTaps;
  parallel_for(q, p.groups() * p.in_channels, [&](std::int64_t task) {
    const std::int64_t i = task % p.in_channels;
    const std::int64_t first = task / p.in_channels * kGroup;
    Several<A, kTaps * kGroup> taps;
    for (std::int64_t o = 0; o < kGroup; ++o) {
      const bool exists = i < p.in.c && first + o < p.out.c;
      const A* const from = exists ? weight + (first + o) * o_step + i * i_step : nullptr;
      for (std::int64_t k = 0; k < kTaps; ++k) {
        taps[k * kGroup + o] = exists ? load(store<T>(from[spread ? kTaps - 1 - k : k])) : A{0};
      }
    }
    winograd_filter<M>(taps, p.groups() * p.in_channels * kRow, packed + task * kRow);
  });
  A* const to = packed + p.filter_elements();
  for (std::int64_t o = 0; o < p.out_channels; ++o) { to[o] = bias != nullptr && o < p.out.c ? bias[o] : A{0}; }
}

}  // namespace
}  // namespace vox
