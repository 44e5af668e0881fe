#pragma once

#include "kernels/cpu/simd/vector.h"
#include "kernels/cpu/winograd/input.h"
#include "kernels/plan/winograd_grad.h"

namespace vox {
namespace {

/// sum[c][o] += the sum over tiles of x[tile*x_step + c] * y[tile*y_step + o], with c and o at group_place().
template <class A> struct PointArgs {
  const A* x;
  const A* y;
  A* sum;
  std::int64_t tiles;
  std::int64_t x_step;
  std::int64_t y_step;
  std::int64_t out_channels;
};

/// Where channel c of a tile and a point lies.
[[nodiscard]] VOX_INLINED constexpr std::int64_t group_place(std::int64_t c) {
  return c / WinogradPlan::kGroup * WinogradGradPlan::kAxis * WinogradPlan::kGroup + c % WinogradPlan::kGroup;
}

/// Sums of Channels inputs by Vectors*lanes outputs live in registers while all tiles go by.
template <class A, int Vectors, int Channels> VOX_TILE void point_tile(const PointArgs<A>& a) {
  constexpr int kLanes = kLanesOf<A>;
  Registers<A, kLanes, Channels * Vectors> acc;
  const auto sum_at = [&](auto i) VOX_INLINED { return a.sum + i / Vectors * a.out_channels + i % Vectors * kLanes; };
  unrolled<Channels * Vectors>([&](auto i) VOX_INLINED { load_vector(acc[i], sum_at(i)); });
  const A* x = a.x;
  const A* y = a.y;
  for (std::int64_t tile = 0; tile < a.tiles; ++tile, x += a.x_step, y += a.y_step) {
    Registers<A, kLanes, Vectors> gradient;
    unrolled<Vectors>([&](auto v) VOX_INLINED { load_vector(gradient[v], y + group_place(v * kLanes)); });
    unrolled<Channels>([&](auto c) VOX_INLINED {
      const A value = x[c];
      unrolled<Vectors>([&](auto v) VOX_INLINED { acc[c * Vectors + v] += value * gradient[v]; });
    });
  }
  unrolled<Channels * Vectors>([&](auto i) VOX_INLINED { store_vector(sum_at(i), acc[i]); });
}

/// All channels of a point: vectors of outputs, and as many inputs as leave room in the registers.
template <class A, int Vectors, int Channels> void multiply_point(const PointArgs<A>& all, std::int64_t in_channels) {
  for (std::int64_t o = 0; o < all.out_channels; o += Vectors * kLanesOf<A>) {
    for (std::int64_t c = 0; c < in_channels; c += Channels) {
      PointArgs<A> a = all;
      a.x += group_place(c);
      a.y += group_place(o);
      a.sum += c * a.out_channels + o;
      point_tile<A, Vectors, Channels>(a);
    }
  }
}
template <class A> void multiply_point(const PointArgs<A>& a, std::int64_t in_channels) {
  if constexpr (kRegisters < 32) {
    multiply_point<A, 2, 4>(a, in_channels);
  } else if (a.out_channels >= 2 * kLanesOf<A>) {
    multiply_point<A, 2, 8>(a, in_channels);
  } else {
    multiply_point<A, 1, 16>(a, in_channels);
  }
}

}  // namespace
}  // namespace vox
