#pragma once

#include <algorithm>
#include <limits>

#include "kernels/base/bf16.h"
#include "kernels/base/volume_parts.h"
#include "kernels/cpu/winograd/transform.h"
#include "kernels/plan/winograd.h"

namespace vox {
namespace {

/// Narrows Lanes channels to the storage type, rounding as store<T>() does, and writes them.
template <class T, int Lanes>
VOX_INLINED inline void write_channels(T* to, std::int64_t apart, const Vector<Acc<T>, Lanes>& v) {
  if constexpr (std::is_same_v<T, Acc<T>>) {
    store_channels<T, Lanes>(to, apart, v);
  } else {
    Vector<std::uint32_t, Lanes> u;
    __builtin_memcpy(&u, &v, sizeof u);
    const Vector<std::uint32_t, Lanes> rounded = (u + 0x7FFFU + ((u >> 16U) & 1U)) >> 16U;
    const Vector<std::uint32_t, Lanes> quiet_nan = (u >> 16U) | 0x40U;
    const auto bits =
        __builtin_convertvector((u & 0x7FFFFFFFU) > 0x7F800000U ? quiet_nan : rounded, Vector<std::uint16_t, Lanes>);
    store_channels<std::uint16_t, Lanes>(reinterpret_cast<std::uint16_t*>(to), apart, bits);
  }
}

/// Where a row of tiles goes, one vector of channels, and how much of it exists.
template <class T> struct WinogradOut {
  T* to;               ///< the first voxel, in the block of the first channel
  std::int64_t apart;  ///< to the next block of channels
  std::int64_t row;    ///< elements
  std::int64_t plane;
  std::int64_t planes;
  std::int64_t rows;
  std::int64_t width;
  std::int64_t present;  ///< channels of the vector that exist; the others become zero
  bool both;             ///< whether the second block of a wide vector exists
  Acc<T> floor;          ///< what is less becomes this: 0 where a ReLU follows
};

/// Writes the part of a vector that exists.
template <class T, int Lanes> void write_some(T* to, const WinogradOut<T>& y, const Vector<Acc<T>, Lanes>& v) {
  Several<Acc<T>, Lanes> values;
  store_vector(values, v);
  for (std::int64_t c = 0; c < Lanes && (c < kBlock8 || y.both); ++c) {
    to[c / kBlock8 * y.apart + c % kBlock8] = store<T>(c < y.present ? values[c] : Acc<T>{0});
  }
}

/// One row of tiles along H and D; adds the bias, cuts at the floor and writes. Whole: all planes, rows and channels
/// exist.
template <int M, bool Whole, class T>
VOX_TILE void winograd_write_line(const Acc<T>* sums, std::int64_t point, std::int64_t channels, const Acc<T>* bias,
                                  const WinogradOut<T>& y) {
  using A = Acc<T>;
  using Axis = OutputAxis<M>;
  constexpr int kLanes = kLanesOf<A>;
  constexpr int kPoints = Axis::kIn;
  using V = Vector<A, kLanes>;
  V start;
  load_vector(start, bias);
  const V floor = V{} + y.floor;
  Several<V, kPoints * M * kChunk> along_h;  // [PD][MH][kChunk]
  for (std::int64_t w = 0; w < y.width; w += kChunk, sums += kChunk * channels) {
    const std::int64_t count = std::min<std::int64_t>(kChunk, y.width - w);
    for (std::int64_t p = 0; p < kPoints; ++p) {
      for (std::int64_t i = 0; i < count; ++i) {
        Several<V, kPoints> in;
        Several<V, M> out;
        const A* const from = sums + p * kPoints * point + i * channels;
        unrolled<kPoints>([&](auto k) VOX_INLINED { load_vector(in[k], from + k * point); });
        Axis::template apply<A>(in, out);
        unrolled<M>([&](auto k) VOX_INLINED { along_h[(p * M + k) * kChunk + i] = out[k]; });
      }
    }
    for (std::int64_t r = 0; r < M; ++r) {
      if (!Whole && r >= y.rows) { break; }
      T* to = y.to + r * y.row + w * kBlock8;
      for (std::int64_t i = 0; i < count; ++i, to += kBlock8) {
        Several<V, kPoints> in;
        Several<V, M> out;
        unrolled<kPoints>([&](auto k) VOX_INLINED { in[k] = along_h[(k * M + r) * kChunk + i]; });
        Axis::template apply<A>(in, out);
        unrolled<M>([&](auto k) VOX_INLINED {
          out[k] += start;
          out[k] = out[k] <= floor ? floor : out[k];  // NaN stays
          if constexpr (Whole) {
            write_channels<T, kLanes>(to + k * y.plane, y.apart, out[k]);
          } else if (k < y.planes) {
            write_some<T, kLanes>(to + k * y.plane, y, out[k]);
          }
        });
      }
    }
  }
}

/// The last two transforms of a box and some channels: sums [PD][PH][tiles_h][tiles_w*MW][channels] become y.
template <int M, class T>
void winograd_write(const WinogradPlan& p, const WinogradBox& box, std::int64_t first, std::int64_t channels,
                    const Acc<T>* sums, const Acc<T>* bias, bool relu, const VolumeParts<T>& y) {
  constexpr std::int64_t kLanes = kLanesOf<Acc<T>>;
  const VolumeShape& s = p.out;
  const std::int64_t line = box.tiles_w * M * channels;
  WinogradOut<T> out{.to = nullptr,
                     .apart = 0,
                     .row = s.w * kBlock8,
                     .plane = s.h * s.w * kBlock8,
                     .planes = std::min<std::int64_t>(M, s.d - box.d),
                     .rows = 0,
                     .width = std::min(box.tiles_w * M, s.w - box.w),
                     .present = 0,
                     .both = false,
                     .floor = relu ? Acc<T>{0} : -std::numeric_limits<Acc<T>>::infinity()};
  for (std::int64_t t = 0; t < box.tiles_h; ++t) {
    const std::int64_t h = box.h + t * M;
    out.rows = std::min<std::int64_t>(M, s.h - h);
    for (std::int64_t c = 0; c < channels && first + c < s.blocks() * kBlock8; c += kLanes) {
      const std::int64_t block = (first + c) / kBlock8;
      out.to = y.at(box.n, block) + ((box.d * s.h + h) * s.w + box.w) * kBlock8 + (first + c) % kBlock8;
      out.both = kLanes <= kBlock8 || block + 1 < s.blocks();
      out.apart = kLanes > kBlock8 && out.both ? y.apart(box.n, block) : 0;
      out.present = std::min(kLanes, s.c - first - c);
      const bool whole = out.planes == M && out.rows == M && out.present == kLanes;
      const auto write = whole ? winograd_write_line<M, true, T> : winograd_write_line<M, false, T>;
      write(sums + t * line + c, WinogradPlan::skewed(box.tiles_h * line), channels, bias + first + c, out);
    }
  }
}

}  // namespace
}  // namespace vox
