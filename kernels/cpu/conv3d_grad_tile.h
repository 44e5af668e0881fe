#pragma once

#include "kernels/cpu/conv3d_gather.h"
#include "kernels/cpu/conv3d_simd.h"
#include "kernels/volume.h"

namespace vox {
namespace {

/// dweight[k][c][o] += sum over rows r and voxels v of x[r*x_row + offset[k] + v*8 + c] * dy[r*dy_row + v*group + o]
template <class A> struct GradTileArgs {
  const A* x;
  const A* dy;
  A* dweight;                  ///< [taps][8][group]
  const std::int64_t* offset;  ///< [taps]
  std::int64_t rows;
  std::int64_t width;
  std::int64_t x_row;
  std::int64_t dy_row;
  std::int64_t group;
  std::int64_t lines;    ///< cache lines fetched ahead per tile
  const char* prefetch;  ///< from here on; null: none
};

/// A tile of Taps x Channels inputs by Vectors*Lanes output channels lives in registers while all voxels go by.
template <class A, int Lanes, int Vectors, int Taps, int Channels>
[[gnu::noinline]] void conv_grad_tile(const GradTileArgs<A>& a) {
  constexpr int kTile = Taps * Channels;
  Registers<A, Lanes, kTile * Vectors> acc;
  const std::int64_t group = a.group;
  unrolled<kTile * Vectors>([&](auto i) __attribute__((always_inline)) {
    constexpr int kAt = i / Vectors;
    load_vector(acc[i], a.dweight + (kAt / Channels * kBlock8 + kAt % Channels) * group + i % Vectors * Lanes);
  });
  if (a.prefetch != nullptr) {
    for (std::int64_t i = 0; i < a.lines; ++i) { __builtin_prefetch(a.prefetch + i * 64, 0, 2); }
  }
  for (std::int64_t row = 0; row < a.rows; ++row) {
    const A* x[static_cast<std::size_t>(Taps)];
    unrolled<Taps>([&](auto k) __attribute__((always_inline)) { x[k] = a.x + row * a.x_row + a.offset[k]; });
    const A* dy = a.dy + row * a.dy_row;
    const A* const end = dy + a.width * group;
    for (; dy != end; dy += group) {
      Registers<A, Lanes, Vectors> gradient;
      unrolled<Vectors>([&](auto v) __attribute__((always_inline)) { load_vector(gradient[v], dy + v * Lanes); });
      unrolled<kTile>([&](auto i) __attribute__((always_inline)) {
        const A value = x[i / Channels][i % Channels];
        unrolled<Vectors>([&](auto v) __attribute__((always_inline)) { acc[i * Vectors + v] += value * gradient[v]; });
      });
      unrolled<Taps>([&](auto k) __attribute__((always_inline)) { x[k] += kBlock8; });
    }
  }
  unrolled<kTile * Vectors>([&](auto i) __attribute__((always_inline)) {
    constexpr int kAt = i / Vectors;
    store_vector(a.dweight + (kAt / Channels * kBlock8 + kAt % Channels) * group + i % Vectors * Lanes, acc[i]);
  });
}

/// All taps of one block of input channels by Vectors*Lanes output channels, three taps at a time.
template <class A, int Lanes, int Vectors>
void conv_grad_tiles(GradTileArgs<A> a, std::int64_t taps, std::int64_t channels, Ahead& ahead) {
  // 3 taps x kChannels x Vectors accumulators leave room for the gradient and a value
  constexpr int kChannels = kRegisters >= 32 ? 8 / Vectors : 4 / Vectors;
  const A* const x = a.x;
  A* const dweight = a.dweight;
  const std::int64_t* const offset = a.offset;
  for (std::int64_t c = 0; c < channels; c += kChannels) {
    for (std::int64_t k = 0; k < taps; k += 3) {
      a.x = x + c;
      a.dweight = dweight + (k * kBlock8 + c) * a.group;
      a.offset = offset + k;
      a.prefetch = ahead.take(a.lines);
      switch (taps - k) {
        case 1:
          conv_grad_tile<A, Lanes, Vectors, 1, kChannels>(a);
          break;
        case 2:
          conv_grad_tile<A, Lanes, Vectors, 2, kChannels>(a);
          break;
        default:
          conv_grad_tile<A, Lanes, Vectors, 3, kChannels>(a);
      }
    }
  }
}

}  // namespace
}  // namespace vox
