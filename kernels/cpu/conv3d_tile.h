#pragma once

#include <array>

#include "kernels/cpu/conv3d_simd.h"
#include "kernels/volume.h"

namespace vox {
namespace {

/// acc[r][t][o] += sum over b,k,c of x[b*x_block + r*x_row + offset[k] + t*8 + c] * weight[b][k][c][o]
template <class A> struct ConvTileArgs {
  const A* x;
  const A* weight;             ///< [blocks][taps of the layer][8][group], from the first tap of the class
  A* acc;                      ///< r*acc_row + t*group + o
  const A* start;              ///< [group]: what acc starts from; null: from what it holds
  const std::int64_t* offset;  ///< [taps]
  std::int64_t taps;           ///< of the class
  std::int64_t blocks;         ///< of input channels
  std::int64_t last_channels;  ///< of the last of them
  std::int64_t x_block;
  std::int64_t x_row;
  std::int64_t acc_row;
  std::int64_t weight_block;
  std::int64_t group;
};

/// A tile of Rows x Voxels voxels by Vectors*Lanes output channels lives in registers; an input value is broadcast from
/// memory to all of them.
template <class A, int Lanes, int Vectors, int Rows, int Voxels>
[[gnu::noinline]] void conv_tile(const ConvTileArgs<A>& a) {
  using V = Vector<A, Lanes>;
  constexpr int kTile = Rows * Voxels;
  Registers<A, Lanes, kTile * Vectors> acc;
  unrolled<kTile * Vectors>([&](auto i) __attribute__((always_inline)) {
    constexpr int kAt = i / Vectors;
    acc[i] = a.start != nullptr
                 ? load_vector<V>(a.start + i % Vectors * Lanes)
                 : load_vector<V>(a.acc + kAt / Voxels * a.acc_row + kAt % Voxels * a.group + i % Vectors * Lanes);
  });
  const std::int64_t x_row = a.x_row;
  const std::int64_t group = a.group;
  for (std::int64_t b = 0; b < a.blocks; ++b) {
    const std::int64_t channels = b + 1 < a.blocks ? kBlock8 : a.last_channels;
    const A* weight_tap = a.weight + b * a.weight_block;
    for (std::int64_t k = 0; k < a.taps; ++k) {
      const A* x = a.x + b * a.x_block + a.offset[k];
      const A* const end = x + channels;
      const A* weight = weight_tap;
      do {
        Registers<A, Lanes, Vectors> w;
        unrolled<Vectors>([&](auto v) __attribute__((always_inline)) { w[v] = load_vector<V>(weight + v * Lanes); });
        unrolled<kTile>([&](auto i) __attribute__((always_inline)) {
          const A value = x[i / Voxels * x_row + i % Voxels * kBlock8];
          unrolled<Vectors>([&](auto v) __attribute__((always_inline)) { acc[i * Vectors + v] += value * w[v]; });
        });
        weight += group;
      } while (++x != end);
      weight_tap += kBlock8 * group;
    }
  }
  unrolled<kTile * Vectors>([&](auto i) __attribute__((always_inline)) {
    constexpr int kAt = i / Vectors;
    store_vector(a.acc + kAt / Voxels * a.acc_row + kAt % Voxels * a.group + i % Vectors * Lanes, acc[i]);
  });
}

/// The tiles of a group of output channels: as many voxels of a row as fit the registers, or several rows of a short
/// one.
template <class A, int Lanes, int Vectors> struct ConvTiles {
  using Tile = void (*)(const ConvTileArgs<A>&);
  static constexpr int kMaxVoxels = (kRegisters - 1 - Vectors) / Vectors / 2 * 2 - (Vectors == 1 ? 2 : 0);

  template <int... I> static constexpr auto table(std::integer_sequence<int, I...>) {
    return std::array<Tile, sizeof...(I)>{conv_tile<A, Lanes, Vectors, 1, I + 1>...};
  }
  /// of one row, by voxels - 1
  static constexpr auto kOfVoxels = table(std::make_integer_sequence<int, kMaxVoxels>{});

  /// Multiplies all rows of a plane, `rows` of `width` voxels, by `Vectors*Lanes` channels.
  static void run(ConvTileArgs<A> a, std::int64_t rows, std::int64_t width) {
    const A* const x = a.x;
    A* const acc = a.acc;
    std::int64_t row = 0;
    const auto several = [&](Tile tile, std::int64_t together) {
      for (; row + together <= rows; row += together) {
        a.x = x + row * a.x_row;
        a.acc = acc + row * a.acc_row;
        tile(a);
      }
    };
    if constexpr (kMaxVoxels >= 16) {
      if (width == 8) { several(conv_tile<A, Lanes, Vectors, 2, 8>, 2); }
    }
    if constexpr (kMaxVoxels >= 8) {
      constexpr int kRows = kMaxVoxels >= 16 ? 4 : 2;
      if (width == 4) { several(conv_tile<A, Lanes, Vectors, kRows, 4>, kRows); }
    }
    const std::int64_t tiles = (width + kMaxVoxels - 1) / kMaxVoxels;
    for (; row < rows; ++row) {
      for (std::int64_t i = 0; i < tiles; ++i) {  // of about equal width
        const std::int64_t begin = width * i / tiles;
        const std::int64_t end = width * (i + 1) / tiles;
        a.x = x + row * a.x_row + begin * kBlock8;
        a.acc = acc + row * a.acc_row + begin * a.group;
        kOfVoxels[static_cast<std::size_t>(end - begin - 1)](a);
      }
    }
  }
};

}  // namespace
}  // namespace vox
