#pragma once

#include <algorithm>

#include "kernels/cpu/winograd/load.h"
#include "kernels/cpu/winograd/transform.h"
#include "kernels/plan/winograd.h"

// From a volume to Winograd's points, for a box of tiles: one tile along D, tiles_h along H, tiles_w along W, C
// channels (a multiple of 16; those that do not exist are zero):
//   winograd_lines   x     -> lines   [PD][PH][tiles_h][cols][C]       along D and H; zeros around x are in memory now
//   winograd_points  lines -> points  [tiles_h*tiles_w][C/16][PW][16]  along W, of one point of D and one of H: in L1
// P are points per axis (Axis::kOut); cols = tiles_w*kStep + kIn - kStep, of which neighbouring tiles share their halo.
// Axes are InputAxis for x (with the convolution's padding), GradientAxis for dy (padding 0).

namespace vox {
namespace {

/// Columns that are transformed together: what lies between the two axes stays in L1.
constexpr int kChunk = 8;

/// Where a row of tiles is read, one vector of channels.
template <class T> struct WinogradRows {
  const T* from = nullptr;  ///< the first voxel, also where it lies outside
  std::int64_t row = 0;     ///< elements
  std::int64_t plane = 0;
  std::int64_t apart = 0;        ///< to the next block of channels
  std::int64_t first_plane = 0;  ///< of those a tile reads, the first that exists, and the one after the last
  std::int64_t last_plane = 0;
  std::int64_t first_row = 0;
  std::int64_t last_row = 0;
};

/// One row of tiles along D and H, `width` columns; planes and rows outside the volume are zero.
template <class Axis, int Lanes, bool Whole, class T>
VOX_TILE void winograd_line(const WinogradRows<T>& x, std::int64_t width, Acc<T>* to, std::int64_t to_point,
                            std::int64_t channels) {
  using V = Vector<Acc<T>, Lanes>;
  Several<V, Axis::kOut * Axis::kIn * kChunk> along_d;  // [PD][rows][kChunk]
  for (std::int64_t w = 0; w < width; w += kChunk) {
    const std::int64_t count = std::min<std::int64_t>(kChunk, width - w);
    for (std::int64_t r = 0; r < Axis::kIn; ++r) {
      const T* from = x.from + r * x.row + w * kBlock8;
      const bool row = Whole || (r >= x.first_row && r < x.last_row);
      for (std::int64_t i = 0; i < count; ++i, from += kBlock8) {
        Several<V, Axis::kIn> in;
        Several<V, Axis::kOut> out;
        unrolled<Axis::kIn>([&](auto k) VOX_INLINED {
          if (Whole || (row && k >= x.first_plane && k < x.last_plane)) {
            PlainLoad<T, Lanes>::read(in[k], from + k * x.plane, x.apart);
          } else {
            in[k] = V{};
          }
        });
        Axis::template apply<Acc<T>>(in, out);
        unrolled<Axis::kOut>([&](auto k) VOX_INLINED { along_d[(k * Axis::kIn + r) * kChunk + i] = out[k]; });
      }
    }
    for (std::int64_t p = 0; p < Axis::kOut; ++p) {
      Acc<T>* const row = to + p * Axis::kOut * to_point + w * channels;
      const V* const staged = along_d + p * Axis::kIn * kChunk;
      for (std::int64_t i = 0; i < count; ++i) {
        Several<V, Axis::kIn> in;
        Several<V, Axis::kOut> out;
        unrolled<Axis::kIn>([&](auto k) VOX_INLINED { in[k] = staged[k * kChunk + i]; });
        Axis::template apply<Acc<T>>(in, out);
        unrolled<Axis::kOut>([&](auto k) VOX_INLINED { store_vector(row + k * to_point + i * channels, out[k]); });
      }
    }
  }
}

/// Zeros `count` elements of every point of D and H.
template <class Axis, class A> void zero_points(A* to, std::int64_t to_point, std::int64_t count) {
  for (int i = 0; i < Axis::kOut * Axis::kOut; ++i) { std::fill_n(to + i * to_point, count, A{0}); }
}

/// Transforms along D and H: lines [PD][PH][tiles_h][cols][channels].
template <class Axis, class T>
void winograd_lines(const WinogradSource<T>& x, const WinogradBox& box, std::int64_t channels, Acc<T>* lines) {
  using A = Acc<T>;
  constexpr int kLanes = kLanesOf<A>;
  constexpr int kNarrow = std::min<int>(kLanes, kBlock8);
  const VolumeShape& s = x.shape;
  const std::int64_t cols = box.tiles_w * Axis::kStep + Axis::kIn - Axis::kStep;
  const std::int64_t point = WinogradPlan::skewed(box.tiles_h * cols * channels);
  const std::int64_t d = box.d - x.padding;
  const std::int64_t w = box.w - x.padding;
  const std::int64_t before = std::clamp<std::int64_t>(-w, 0, cols);
  const std::int64_t width = std::max<std::int64_t>(std::min(w + cols, s.w) - (w + before), 0);
  WinogradRows<T> rows{.row = s.w * kBlock8, .plane = s.h * s.w * kBlock8, .first_plane = -d, .last_plane = s.d - d};
  for (std::int64_t t = 0; t < box.tiles_h; ++t) {
    const std::int64_t h = box.h + t * Axis::kStep - x.padding;
    A* const to = lines + t * cols * channels;
    zero_points<Axis>(to, point, before * channels);
    zero_points<Axis>(to + (before + width) * channels, point, (cols - before - width) * channels);
    rows.first_row = -h;
    rows.last_row = s.h - h;
    const bool whole = h >= 0 && h + Axis::kIn <= s.h && d >= 0 && d + Axis::kIn <= s.d;
    for (std::int64_t c = 0; c < channels; c += kLanes) {
      const std::int64_t block = c / kBlock8;
      A* const mine = to + before * channels + c;
      const bool both = block + (kLanes - 1) / kBlock8 < s.blocks();
      if (block < s.blocks()) {
        rows.from = x.parts.at(box.n, block) + ((d * s.h + h) * s.w + w + before) * kBlock8 + c % kBlock8;
        rows.apart = both && kLanes > kBlock8 ? x.parts.apart(box.n, block) : 0;
        const auto line = !both   ? winograd_line<Axis, kNarrow, false, T>
                          : whole ? winograd_line<Axis, kLanes, true, T>
                                  : winograd_line<Axis, kLanes, false, T>;
        line(rows, width, mine, point, channels);
      }
      if (!both) {
        const std::int64_t present = block < s.blocks() ? kNarrow : 0;
        for (std::int64_t i = 0; i < width; ++i) {
          zero_points<Axis>(mine + i * channels + present, point, kLanes - present);
        }
      }
    }
  }
}

/// Transforms along W, of one point of D and one of H: points [tiles][channels/16][PW][16].
template <class W, class A>
VOX_TILE void winograd_points(const A* lines, std::int64_t tiles_h, std::int64_t tiles_w, std::int64_t channels,
                              A* points) {
  using V = Vector<A, kLanesOf<A>>;
  constexpr std::int64_t kGroup = WinogradPlan::kGroup;
  for (std::int64_t th = 0; th < tiles_h; ++th, lines += (tiles_w * W::kStep + W::kIn - W::kStep) * channels) {
    for (std::int64_t tw = 0; tw < tiles_w; ++tw, points += W::kOut * channels) {
      const A* const from = lines + tw * W::kStep * channels;
      for (std::int64_t c = 0; c < channels; c += kLanesOf<A>) {
        Several<V, W::kIn> in;
        Several<V, W::kOut> out;
        A* const to = points + c / kGroup * W::kOut * kGroup + c % kGroup;
        unrolled<W::kIn>([&](auto k) VOX_INLINED { load_vector(in[k], from + k * channels + c); });
        W::template apply<A>(in, out);
        unrolled<W::kOut>([&](auto k) VOX_INLINED { store_vector(to + k * kGroup, out[k]); });
      }
    }
  }
}

}  // namespace
}  // namespace vox
