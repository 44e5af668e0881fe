#pragma once

#include <array>

#include "kernels/cpu/winograd/transform.h"
#include "kernels/plan/winograd.h"

namespace vox {
namespace {

/// sums[t][j][o] = the transform along W (A^T) of: the sum over c of points[t][c/16][pw][c%16] * filter[c][pw][o].
template <class A> struct WinogradTileArgs {
  const A* points;
  std::int64_t tile_step;   ///< elements of a tile's points
  const A* filter;          ///< [channels][PW][16] of one group
  std::int64_t group_step;  ///< elements to the filter of the next group
  std::int64_t channels;    ///< of the input, a multiple of 16
  A* sums;
  std::int64_t out_channels;  ///< elements of one output in sums
};

/// All points along W of `Tiles` tiles by Vectors*Lanes output channels live in registers, so the products are never
/// written: only their transform is.
template <int M, class A, int Vectors, int Tiles> VOX_TILE void winograd_tile(const WinogradTileArgs<A>& a) {
  constexpr int kLanes = kLanesOf<A>;
  constexpr int kPoints = M + 2;
  constexpr std::int64_t kGroup = WinogradPlan::kGroup;
  using V = Vector<A, kLanes>;
  Registers<A, kLanes, Tiles * kPoints * Vectors> acc;
  unrolled<Tiles * kPoints * Vectors>([&](auto i) VOX_INLINED { acc[i] = V{}; });
  const A* filter = a.filter;
  Several<const A*, Tiles> tile;
  unrolled<Tiles>([&](auto t) VOX_INLINED { tile[t] = a.points + t * a.tile_step; });
  const std::int64_t group_step = a.group_step;
  for (std::int64_t group = 0; group < a.channels; group += kGroup) {
    const A* const end = filter + kGroup * kPoints * kGroup;
    do {
      unrolled<kPoints>([&](auto p) VOX_INLINED {
        Several<V, Vectors> u;
        unrolled<Vectors>([&](auto v) VOX_INLINED {
          constexpr int kChannel = v * kLanes;
          load_vector(u[v], filter + kChannel / kGroup * group_step + p * kGroup + kChannel % kGroup);
          keep_in_register(u[v]);
        });
        unrolled<Tiles>([&](auto t) VOX_INLINED {
          const A value = tile[t][p * kGroup];
          unrolled<Vectors>([&](auto v) VOX_INLINED { acc[(t * kPoints + p) * Vectors + v] += value * u[v]; });
        });
      });
      unrolled<Tiles>([&](auto t) VOX_INLINED { ++tile[t]; });
      filter += kPoints * kGroup;
    } while (filter != end);
    unrolled<Tiles>([&](auto t) VOX_INLINED { tile[t] += (kPoints - 1) * kGroup; });
  }
  unrolled<Tiles * Vectors>([&](auto i) VOX_INLINED {
    constexpr int kTile = i / Vectors;
    constexpr int kVector = i % Vectors;
    Several<V, kPoints> in;
    Several<V, M> out;
    unrolled<kPoints>([&](auto p) VOX_INLINED { in[p] = acc[(kTile * kPoints + p) * Vectors + kVector]; });
    OutputAxis<M>::template apply<A>(in, out);
    unrolled<M>([&](auto j) VOX_INLINED {
      store_vector(a.sums + (kTile * M + j) * a.out_channels + kVector * kLanes, out[j]);
    });
  });
}

/// The tiles of a box by some output channels, as many at a time as the registers hold.
template <int M, class A> struct WinogradTiles {
  using Tile = void (*)(const WinogradTileArgs<A>&);
  static constexpr int kMost = (kRegisters > 16 ? 28 : 12) / (M + 2);  // tiles by vectors, beside what is multiplied
  static constexpr int kVectors = kMost >= 4 ? 2 : 1;

  template <int Vectors, int... I> static constexpr auto table(std::integer_sequence<int, I...>) {
    return std::array<Tile, sizeof...(I)>{winograd_tile<M, A, Vectors, I + 1>...};
  }
  template <int Vectors>
  static constexpr auto kTiles = table<Vectors>(std::make_integer_sequence<int, kMost / Vectors>{});

  /// Calls between() before each tile.
  template <int Vectors, class Between>
  static void run(WinogradTileArgs<A> a, std::int64_t tiles, const Between& between) {
    constexpr std::int64_t kWide = kMost / Vectors;
    for (std::int64_t t = 0; t < tiles; t += kWide) {
      between();
      kTiles<Vectors>[static_cast<std::size_t>(std::min(kWide, tiles - t) - 1)](a);
      a.points += kWide * a.tile_step;
      a.sums += kWide * M * a.out_channels;
    }
  }

  /// Tiles that run_all() computes.
  [[nodiscard]] static std::int64_t calls(std::int64_t tiles, std::int64_t outputs) {
    constexpr std::int64_t kLanes = kLanesOf<A>;
    const std::int64_t vectors = outputs / kLanes;
    const std::int64_t wide = vectors / kVectors * (kVectors - 1);  // done kVectors at a time
    const auto of = [&](std::int64_t at_once) { return (tiles + kMost / at_once - 1) / (kMost / at_once); };
    return wide * of(kVectors) + (vectors - wide * kVectors) * of(1);
  }

  /// `outputs` channels, a multiple of 16, of `tiles` tiles.
  template <class Between>
  static void run_all(WinogradTileArgs<A> a, std::int64_t tiles, std::int64_t outputs, const Between& between) {
    constexpr std::int64_t kLanes = kLanesOf<A>;
    constexpr std::int64_t kGroup = WinogradPlan::kGroup;
    const A* const filter = a.filter;
    A* const sums = a.sums;
    std::int64_t o = 0;
    while (o < outputs) {
      a.filter = filter + o / kGroup * a.group_step + o % kGroup;
      a.sums = sums + o;
      if (kVectors == 2 && o + 2 * kLanes <= outputs) {
        run<kVectors>(a, tiles, between);
        o += kVectors * kLanes;
      } else {
        run<1>(a, tiles, between);
        o += kLanes;
      }
    }
  }
};

}  // namespace
}  // namespace vox
