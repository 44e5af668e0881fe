#include "kernels/max_pool3d.h"

#include <algorithm>

#include "kernels/base/parallel.h"
#include "kernels/cpu/simd/lanes.h"

namespace vox {
namespace {

/// Where a plane pair of x lies: one task pools the cells of one (case, block, output plane).
struct PlanePair {
  std::int64_t in;   ///< first element of the pair's first plane in x
  std::int64_t out;  ///< first element of the plane in y
};

PlanePair plane_pair(const VolumeShape& x, std::int64_t task) {
  const VolumeShape y = pooled(x);
  const std::int64_t volume = task / y.d;  // case and block
  return {.in = (volume * x.voxels() + task % y.d * 2 * x.h * x.w) * kBlock8,
          .out = (volume * y.voxels() + task % y.d * y.h * y.w) * kBlock8};
}

/// Offsets of a cell's eight voxels from its first, in scan order.
struct Cell {
  explicit Cell(const VolumeShape& x) {
    for (std::int64_t k = 0; k < 8; ++k) { offset[k] = ((k / 4) * x.h * x.w + (k / 2 % 2) * x.w + k % 2) * kBlock8; }
  }
  std::int64_t offset[8];
};

/// Moves best up to value, and winner to k, where value is larger or the first NaN.
template <class A>
[[gnu::always_inline]] inline void compete(const Lanes<A>& value, LaneInt<A> k, Lanes<A>& best, LaneMask<A>& winner) {
  const LaneMask<A> wins = (value > best) | (value != value);  // NOLINT(misc-redundant-expression): NaN
  best = wins ? value : best;
  winner = wins ? LaneMask<A>{} + k : winner;
}

using WinnerLanes = Lanes<std::uint8_t>;

/// dx of a cell, from the winners of its lanes.
template <class T, bool Adds>
[[gnu::always_inline]] inline void spread_cell(const Cell& cell, const std::uint8_t* winners, const T* dy, T* dx) {
  WinnerLanes narrow;
  __builtin_memcpy(&narrow, winners, sizeof narrow);
  const auto winner = __builtin_convertvector(narrow, LaneMask<Acc<T>>);
  Lanes<Acc<T>> share;
  load_lanes(dy, share);
  for (LaneInt<Acc<T>> k = 0; k < 8; ++k) {
    Lanes<Acc<T>> sum{};
    if constexpr (Adds) { load_lanes(dx + cell.offset[k], sum); }
    sum += winner == k ? share : Lanes<Acc<T>>{};
    store_lanes<T>(dx + cell.offset[k], sum);
  }
}

/// Planes that no cell covers, and the voxels that stick out of those that cells do.
template <class T> void clear_rest(const VolumeShape& s, bool last, T* dx_planes) {
  const std::int64_t plane = s.h * s.w * kBlock8;
  if (s.h % 2 != 0 || s.w % 2 != 0) { std::fill_n(dx_planes, 2 * plane, T{}); }
  if (s.d % 2 != 0 && last) { std::fill_n(dx_planes + 2 * plane, plane, T{}); }
}

template <class T, bool Adds> void spread_gradient(const IsaQueue& q, const MaxPool3dGradArgs<T>& a) {
  const VolumeShape& s = a.shape;
  const VolumeShape out = pooled(s);
  const Cell cell(s);
  parallel_for(q, s.n * s.blocks() * out.d, [&](std::int64_t task) {
    const PlanePair at = plane_pair(s, task);
    if (!Adds) { clear_rest(s, task % out.d == out.d - 1, a.dx.data() + at.in); }
    for (std::int64_t h = 0; h < out.h; ++h) {
      const std::int64_t row = at.out + h * out.w * kBlock8;
      T* dx = a.dx.data() + at.in + 2 * h * s.w * kBlock8;
      for (std::int64_t i = row; i < row + out.w * kBlock8; i += kBlock8, dx += 2 * kBlock8) {
        spread_cell<T, Adds>(cell, a.winners.data() + i, a.dy.data() + i, dx);
      }
    }
  });
}

}  // namespace

template <class T> void max_pool3d_forward(IsaQueue& q, const MaxPool3dArgs<T>& a) {
  const VolumeShape& s = a.shape;
  const VolumeShape out = pooled(s);
  const Cell cell(s);
  parallel_for(q, s.n * s.blocks() * out.d, [&](std::int64_t task) {
    const PlanePair at = plane_pair(s, task);
    for (std::int64_t h = 0; h < out.h; ++h) {
      const T* from = a.x.data() + at.in + 2 * h * s.w * kBlock8;
      const std::int64_t row = at.out + h * out.w * kBlock8;
      for (std::int64_t to = row; to < row + out.w * kBlock8; to += kBlock8, from += 2 * kBlock8) {
        Lanes<Acc<T>> best;
        Lanes<Acc<T>> value;
        LaneMask<Acc<T>> winner{};
        load_lanes(from, best);
        for (LaneInt<Acc<T>> k = 1; k < 8; ++k) {
          load_lanes(from + cell.offset[k], value);
          compete<Acc<T>>(value, k, best, winner);
        }
        store_lanes<T>(a.y.data() + to, best);
        if (!a.winners.empty()) {
          const auto narrow = __builtin_convertvector(winner, WinnerLanes);
          __builtin_memcpy(a.winners.data() + to, &narrow, sizeof narrow);
        }
      }
    }
  });
}

template <class T> void max_pool3d_backward(IsaQueue& q, const MaxPool3dGradArgs<T>& a) {
  a.adds ? spread_gradient<T, true>(q, a) : spread_gradient<T, false>(q, a);
}

VOX_INSTANTIATE(IsaQueue, max_pool3d_forward, MaxPool3dArgs);
VOX_INSTANTIATE(IsaQueue, max_pool3d_backward, MaxPool3dGradArgs);

}  // namespace vox
