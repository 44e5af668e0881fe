#pragma once

#include <array>

#include "kernels/base/volume.h"
#include "kernels/cpu/conv3d/gather.h"
#include "kernels/cpu/conv3d/row_split.h"
#include "kernels/cpu/simd/vector.h"

namespace vox {
namespace {

/// acc[r][t][o] = start[o] or acc[r][t][o], plus the sum over b,k,c of x[b*x_block + r*x_row + offset[k] + t*8 + c] *
/// weight[b][k][c][o].
template <class A> struct ConvTileArgs {
  const A* x;
  const A* weight;             ///< [blocks][taps of the layer][8][group], from the first tap of the class
  A* acc;                      ///< (o/8)*acc_block + r*acc_row + t*acc_step + o%8: an output volume, or a part of one
  const A* start;              ///< [group]; null: add to what acc holds
  const std::int64_t* offset;  ///< [taps]
  std::int64_t taps;           ///< of the class
  std::int64_t blocks;         ///< of input channels
  std::int64_t last_channels;  ///< of the last of them
  std::int64_t x_block;
  std::int64_t x_row;
  std::int64_t acc_block;
  std::int64_t acc_row;
  std::int64_t acc_step;
  std::int64_t weight_block;
  std::int64_t group;
  std::int64_t lines;    ///< cache lines fetched ahead per run of taps
  const char* prefetch;  ///< from here on; null: none
};

/// Tile t of Rows x Voxels and vector v of a group, where they lie.
template <class A, int Lanes, int Vectors, int Voxels, int I> VOX_INLINED inline A* acc_at(const ConvTileArgs<A>& a) {
  constexpr int kAt = I / Vectors;
  constexpr int kChannel = I % Vectors * Lanes;
  return a.acc + kChannel / 8 * a.acc_block + kAt / Voxels * a.acc_row + kAt % Voxels * a.acc_step + kChannel % 8;
}

/// A tile of Rows x Voxels voxels by Vectors*Lanes output channels lives in registers. An input value is broadcast from
/// memory to all of them, and serves the Run taps along W that meet it at once.
template <class A, int Lanes, int Vectors, int Run, int Rows, int Voxels>
VOX_TILE void conv_tile(const ConvTileArgs<A>& a) {
  constexpr int kWide = Voxels + Run - 1;
  constexpr int kTile = Rows * Voxels * Vectors;
  Registers<A, Lanes, kTile> acc;
  unrolled<kTile>([&](auto i) VOX_INLINED {
    if (a.start != nullptr) {
      load_vector(acc[i], a.start + i % Vectors * Lanes);
    } else {
      load_channels<A, Lanes>(acc[i], acc_at<A, Lanes, Vectors, Voxels, i>(a), a.acc_block);
    }
  });
  const std::int64_t x_row = a.x_row;
  const std::int64_t group = a.group;
  const char* next = a.prefetch;
  const std::int64_t lines = next != nullptr ? a.lines : 0;
  for (std::int64_t b = 0; b < a.blocks; ++b) {
    const std::int64_t channels = b + 1 < a.blocks ? kBlock8 : a.last_channels;
    const A* weight_tap = a.weight + b * a.weight_block;
    for (std::int64_t k = 0; k < a.taps; k += Run) {
      for (std::int64_t i = 0; i < lines; ++i, next += 64) { __builtin_prefetch(next, 0, 2); }
      const A* x = a.x + b * a.x_block + a.offset[k];
      const A* const end = x + channels;
      const A* weight = weight_tap;
      do {
        Registers<A, Lanes, Run * Vectors> w;
        unrolled<Run * Vectors>([&](auto i) VOX_INLINED {
          load_vector(w[i], weight + i / Vectors * kBlock8 * group + i % Vectors * Lanes);
        });
        unrolled<Rows * kWide>([&](auto i) VOX_INLINED {
          const A value = x[i / kWide * x_row + i % kWide * kBlock8];
          unrolled<Run * Vectors>([&](auto j) VOX_INLINED {
            constexpr int kVoxel = i % kWide - j / Vectors;
            if constexpr (kVoxel >= 0 && kVoxel < Voxels) {
              acc[(i / kWide * Voxels + kVoxel) * Vectors + j % Vectors] += value * w[j];
            }
          });
        });
        weight += group;
      } while (++x != end);
      weight_tap += Run * kBlock8 * group;
    }
  }
  unrolled<kTile>([&](auto i) VOX_INLINED {
    store_channels<A, Lanes>(acc_at<A, Lanes, Vectors, Voxels, i>(a), a.acc_block, acc[i]);
  });
}

/// The tiles of a group of output channels: as many voxels of a row as fit the registers, or several rows of a short
/// one.
template <class A, int Lanes, int Vectors, int Run> struct ConvTiles {
  using Tile = void (*)(const ConvTileArgs<A>&);
  static constexpr int kFree = kRegisters - 1 - Run * Vectors;  // beside the weights and the value
  static constexpr int kMaxVoxels = kFree / Vectors / 2 * 2 > 28 ? 28 : kFree / Vectors / 2 * 2;

  template <int... Slot> static constexpr auto table(std::integer_sequence<int, Slot...>) {
    return std::array<Tile, sizeof...(Slot)>{
        conv_tile<A, Lanes, Vectors, Run, 1, RowSplit<kMaxVoxels>::length(Slot)>...};
  }
  /// of one row
  static constexpr auto kOfVoxels = table(std::make_integer_sequence<int, RowSplit<kMaxVoxels>::kSlots>{});

  /// Multiplies `rows` rows of `width` voxels by Vectors*Lanes channels.
  static void run(ConvTileArgs<A> a, std::int64_t rows, std::int64_t width, Ahead& ahead) {
    const std::int64_t lines = a.lines * a.blocks * (a.taps / Run);  // per tile
    const A* const x = a.x;
    A* const acc = a.acc;
    std::int64_t row = 0;
    const auto several = [&](Tile tile, std::int64_t together) {
      for (; row + together <= rows; row += together) {
        a.x = x + row * a.x_row;
        a.acc = acc + row * a.acc_row;
        a.prefetch = ahead.take(lines);
        tile(a);
      }
    };
    if constexpr (kMaxVoxels >= 16) {
      if (width == 8) { several(conv_tile<A, Lanes, Vectors, Run, 2, 8>, 2); }
    }
    if constexpr (kMaxVoxels >= 8) {
      constexpr int kRows = kMaxVoxels >= 16 ? 4 : 2;
      if (width == 4) { several(conv_tile<A, Lanes, Vectors, Run, kRows, 4>, kRows); }
    }
    const RowSplit<kMaxVoxels> split(width);
    for (; row < rows; ++row) {
      for (std::int64_t i = 0; i < split.tiles(); ++i) {
        const std::int64_t begin = split.begin(i);
        a.x = x + row * a.x_row + begin * kBlock8;
        a.acc = acc + row * a.acc_row + begin * a.acc_step;
        a.prefetch = ahead.take(lines);
        kOfVoxels[split.slot(split.begin(i + 1) - begin)](a);
      }
    }
  }
};

}  // namespace
}  // namespace vox
