#pragma once

#include <algorithm>

#include "kernels/bf16.h"
#include "kernels/cpu/conv3d_simd.h"
#include "kernels/cpu/winograd_transform.h"
#include "kernels/volume_parts.h"
#include "kernels/winograd_plan.h"

// From a volume to Winograd's points, for a box of tiles: one tile along D, tiles_h along H, tiles_w along W, C
// channels (a multiple of 16; those that do not exist are zero). Axis by axis, so that neighbouring tiles share their
// halo:
//   stage      x        -> staged  [PD][rows][cols][C]           D; halo and padding are zeros in memory from here on
//   along_rows staged   -> lines   [PH][tiles_h][cols][C]        H, of one point of D
//   along_cols lines    -> points  [tiles_h*tiles_w][PW][C]      W, of one point of D and one of H: fits the L1
// P are points per axis (Axis::kOut); rows = tiles_h*kStep + kIn - kStep, cols likewise. Axes are InputAxis for x (with
// the convolution's padding), GradientAxis for dy (padding 0).

namespace vox {
namespace {

/// What is read from memory: Lanes channels at one voxel, widened to the accumulator type. The place for whatever shall
/// happen to an input on its way into the convolution.
template <class T, int Lanes> struct PlainLoad {
  VOX_INLINED static void read(Vector<Acc<T>, Lanes>& v, const T* from, std::int64_t apart) {
    if constexpr (std::is_same_v<T, Acc<T>>) {
      load_channels<T, Lanes>(v, from, apart);
    } else {
      Vector<std::uint16_t, Lanes> bits;
      load_channels<std::uint16_t, Lanes>(bits, reinterpret_cast<const std::uint16_t*>(from), apart);
      const auto wide = __builtin_convertvector(bits, Vector<std::uint32_t, Lanes>) << 16U;
      __builtin_memcpy(&v, &wide, sizeof v);
    }
  }
};

/// A volume batch that tiles are cut from. Tile 0 of a box reads from `padding` voxels before the box's first.
template <class T> struct WinogradSource {
  VolumeParts<const T> parts;
  VolumeShape shape;
  std::int64_t padding;
};

/// One row of one vector of channels, all planes: transformed along D. Planes outside the volume are zero.
template <class D, int Lanes, bool Whole, class T>
VOX_TILE void stage_row(const T* from, std::int64_t plane, std::int64_t apart, const bool* inside, std::int64_t width,
                        Acc<T>* to, std::int64_t to_point, std::int64_t channels) {
  using V = Vector<Acc<T>, Lanes>;
  for (std::int64_t w = 0; w < width; ++w, from += kBlock8, to += channels) {
    Several<V, D::kIn> in;
    Several<V, D::kOut> out;
    unrolled<D::kIn>([&](auto i) VOX_INLINED {
      if (Whole || inside[i]) {
        PlainLoad<T, Lanes>::read(in[i], from + i * plane, apart);
      } else {
        in[i] = V{};
      }
    });
    D::template apply<Acc<T>>(in, out);
    unrolled<D::kOut>([&](auto i) VOX_INLINED { store_vector(to + i * to_point, out[i]); });
  }
}

/// Zeros in `count` voxels of every point of D.
template <class D, class A> void stage_zeros(A* to, std::int64_t to_point, std::int64_t elements) {
  for (int i = 0; i < D::kOut; ++i) { std::fill_n(to + i * to_point, elements, A{0}); }
}

/// Transforms along D: staged [PD][rows][cols][channels].
template <class D, class T>
void winograd_stage(const WinogradSource<T>& x, const WinogradBox& box, std::int64_t rows, std::int64_t cols,
                    std::int64_t channels, Acc<T>* staged) {
  using A = Acc<T>;
  constexpr int kLanes = kLanesOf<A>;
  const VolumeShape& s = x.shape;
  const std::int64_t d = box.d - x.padding;
  const std::int64_t h = box.h - x.padding;
  const std::int64_t w = box.w - x.padding;
  Several<bool, D::kIn> inside;
  for (int i = 0; i < D::kIn; ++i) { inside[i] = d + i >= 0 && d + i < s.d; }
  const bool whole = d >= 0 && d + D::kIn <= s.d;
  const std::int64_t before = std::clamp<std::int64_t>(-w, 0, cols);
  const std::int64_t width = std::max<std::int64_t>(std::min(w + cols, s.w) - (w + before), 0);
  const std::int64_t point = rows * cols * channels;
  for (std::int64_t r = 0; r < rows; ++r) {
    A* const to = staged + r * cols * channels;
    if (h + r < 0 || h + r >= s.h || width == 0) {
      stage_zeros<D>(to, point, cols * channels);
      continue;
    }
    stage_zeros<D>(to, point, before * channels);
    stage_zeros<D>(to + (before + width) * channels, point, (cols - before - width) * channels);
    const std::int64_t voxel = (d * s.h + h + r) * s.w + w + before;
    for (std::int64_t c = 0; c < channels; c += kLanes) {
      A* const mine = to + before * channels + c;
      const std::int64_t block = c / kBlock8;
      const auto run = [&]<int Lanes>(std::integral_constant<int, Lanes>, std::int64_t at, A* mine_at) {
        const T* const from = x.parts.at(box.n, at / kBlock8) + voxel * kBlock8 + at % kBlock8;
        const std::int64_t apart = Lanes > kBlock8 ? x.parts.apart(box.n, at / kBlock8) : 0;
        const auto row = whole ? stage_row<D, Lanes, true, T> : stage_row<D, Lanes, false, T>;
        row(from, s.h * s.w * kBlock8, apart, inside, width, mine_at, point, channels);
      };
      if (block + std::max<std::int64_t>(kLanes / kBlock8, 1) <= s.blocks()) {
        run(std::integral_constant<int, kLanes>{}, c, mine);
      } else {  // fewer blocks than a vector holds, or none
        if (kLanes > kBlock8 && block < s.blocks()) {
          run(std::integral_constant<int, std::min<int>(kLanes, kBlock8)>{}, c, mine);
        }
        const std::int64_t zeros = block < s.blocks() ? kBlock8 : 0;  // channels that exist
        for (std::int64_t i = 0; i < width; ++i) { stage_zeros<D>(mine + i * channels + zeros, point, kLanes - zeros); }
      }
    }
  }
}

/// Transforms along H, of one point of D: lines [PH][tiles_h][cols][channels]; line = cols*channels.
template <class H, class A>
VOX_TILE void winograd_along_rows(const A* staged, std::int64_t tiles_h, std::int64_t line, A* lines) {
  using V = Vector<A, kLanesOf<A>>;
  for (std::int64_t t = 0; t < tiles_h; ++t, staged += H::kStep * line, lines += line) {
    for (std::int64_t i = 0; i < line; i += kLanesOf<A>) {
      Several<V, H::kIn> in;
      Several<V, H::kOut> out;
      unrolled<H::kIn>([&](auto k) VOX_INLINED { load_vector(in[k], staged + k * line + i); });
      H::template apply<A>(in, out);
      unrolled<H::kOut>([&](auto k) VOX_INLINED { store_vector(lines + k * tiles_h * line + i, out[k]); });
    }
  }
}

/// Transforms along W, of one point of D and one of H: points [tiles][PW][channels].
template <class W, class A>
VOX_TILE void winograd_along_cols(const A* lines, std::int64_t tiles_h, std::int64_t tiles_w, std::int64_t line,
                                  std::int64_t channels, A* points) {
  using V = Vector<A, kLanesOf<A>>;
  for (std::int64_t th = 0; th < tiles_h; ++th, lines += line) {
    for (std::int64_t tw = 0; tw < tiles_w; ++tw, points += W::kOut * channels) {
      const A* const from = lines + tw * W::kStep * channels;
      for (std::int64_t c = 0; c < channels; c += kLanesOf<A>) {
        Several<V, W::kIn> in;
        Several<V, W::kOut> out;
        unrolled<W::kIn>([&](auto k) VOX_INLINED { load_vector(in[k], from + k * channels + c); });
        W::template apply<A>(in, out);
        unrolled<W::kOut>([&](auto k) VOX_INLINED { store_vector(points + k * channels + c, out[k]); });
      }
    }
  }
}

}  // namespace
}  // namespace vox
