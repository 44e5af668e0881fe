#pragma once

#include <array>

#include "kernels/base/volume.h"
#include "kernels/cpu/conv3d/row_split.h"
#include "kernels/cpu/simd/lanes.h"
#include "kernels/cpu/simd/vector.h"

namespace vox {
namespace {

/// Runs of neighbours in memory, counted along three axes: depth, height and block of channels.
struct RunAxes {
  std::int64_t count;  ///< of the first two axes
  std::int64_t blocks;
  std::int64_t step_d;
  std::int64_t step_h;
  std::int64_t step_block;
};

/// An integer as wide as A.
template <class A> using Lane = std::conditional_t<sizeof(A) == 8, std::int64_t, std::int32_t>;

/// out[t][v] = bias[v] + the sum over runs r and values k of in[r][t*run + k] * weight[r][k][v], for some windows t of
/// a row and a slab of columns v.
template <class T, int Vectors> struct GemmTileArgs {
  const Acc<T>* in;
  const Acc<T>* weight;  ///< [runs][run][slab]
  const Acc<T>* bias;    ///< [slab]
  RunAxes runs;
  std::int64_t run;                                       ///< values of a run and a window
  std::int64_t last_run;                                  ///< of them that are not padding, in the last block
  std::array<T*, static_cast<std::size_t>(Vectors)> out;  ///< of each vector, at the first window
  std::int64_t out_step;                                  ///< to the next window
  std::int64_t out_apart;                                 ///< to the second eight lanes of a vector
  const Lane<Acc<T>>* present;  ///< [slab]: all bits of the columns that are channels; null: all are
};

template <class T, int Lanes>
VOX_INLINED inline void store_columns(T* to, std::int64_t apart, const Vector<Acc<T>, Lanes>& v) {
  if constexpr (!std::is_same_v<T, Acc<T>> && Lanes >= 8) {
    unrolled<Lanes / 8>([&](auto half) VOX_INLINED {
      vox::Lanes<Acc<T>> eight;
      __builtin_memcpy(&eight, reinterpret_cast<const char*>(&v) + half * sizeof eight, sizeof eight);
      store_lanes<T>(to + half * apart, eight);
    });
  } else if constexpr (!std::is_same_v<T, Acc<T>>) {
    for (int i = 0; i < Lanes; ++i) { to[i] = store<T>(v[i]); }
  } else {
    if (Lanes <= 8 || apart == 8) {
      store_vector(to, v);
    } else {
      store_channels<Acc<T>, Lanes>(to, apart, v);
    }
  }
}

template <class T, int Lanes, int Vectors, int Windows> VOX_TILE void gemm_tile(const GemmTileArgs<T, Vectors>& a) {
  using A = Acc<T>;
  Registers<A, Lanes, Windows * Vectors> acc;
  unrolled<Windows * Vectors>([&](auto i) VOX_INLINED { load_vector(acc[i], a.bias + i % Vectors * Lanes); });
  constexpr std::int64_t kLine = 64 / static_cast<std::int64_t>(sizeof(A));
  constexpr std::int64_t kAhead = 32 * kLine;  // 2 KiB: what the next tiles read
  const std::int64_t step = a.run;
  const A* weight_run = a.weight;
  for (std::int64_t i = 0; i < Windows * a.out_step; i += 64 / static_cast<std::int64_t>(sizeof(T))) {
    unrolled<Vectors>([&](auto v) VOX_INLINED {
      __builtin_prefetch(a.out[v] + kAhead + i, 1, 3);
      if (Lanes > 8 && a.out_apart != 8) { __builtin_prefetch(a.out[v] + a.out_apart + kAhead + i, 1, 3); }
    });
  }
  for (std::int64_t d = 0; d < a.runs.count; ++d) {
    for (std::int64_t h = 0; h < a.runs.count; ++h) {
      const A* in = a.in + d * a.runs.step_d + h * a.runs.step_h;
      for (std::int64_t block = 0; block < a.runs.blocks; ++block, in += a.runs.step_block) {
        for (std::int64_t i = 0; i < Windows * step; i += kLine) { __builtin_prefetch(in + kAhead + i, 0, 3); }
        const A* x = in;
        const A* const end = x + (block + 1 < a.runs.blocks ? a.run : a.last_run);
        const A* weight = weight_run;
        do {
          Registers<A, Lanes, Vectors> w;
          unrolled<Vectors>([&](auto v) VOX_INLINED { load_vector(w[v], weight + v * Lanes); });
          unrolled<Windows>([&](auto t) VOX_INLINED {
            const A value = x[t * step];
            unrolled<Vectors>([&](auto v) VOX_INLINED { acc[t * Vectors + v] += value * w[v]; });
          });
          weight += Vectors * Lanes;
        } while (++x != end);
        weight_run += a.run * Vectors * Lanes;
      }
    }
  }
  if (a.present != nullptr) {  // an input that is not finite would reach the padding channels
    unrolled<Windows * Vectors>([&](auto i) VOX_INLINED {
      Vector<Lane<A>, Lanes> present;
      Vector<Lane<A>, Lanes> bits;
      load_vector(present, a.present + i % Vectors * Lanes);
      __builtin_memcpy(&bits, &acc[i], sizeof bits);
      bits &= present;
      __builtin_memcpy(&acc[i], &bits, sizeof bits);
    });
  }
  unrolled<Windows>([&](auto t) VOX_INLINED {
    unrolled<Vectors>([&](auto v) VOX_INLINED {
      store_columns<T, Lanes>(a.out[v] + t * a.out_step, a.out_apart, acc[t * Vectors + v]);
    });
  });
}

/// The windows of a row, as many at a time as fit the registers, about equally many.
template <class T, int Lanes, int Vectors> void gemm_row(const GemmTileArgs<T, Vectors>& all, std::int64_t width) {
  constexpr int kMost = std::min((kRegisters - 2 - Vectors) / Vectors / 2 * 2, 14);
  using Tile = void (*)(const GemmTileArgs<T, Vectors>&);
  constexpr auto kTiles = []<int... Slot>(std::integer_sequence<int, Slot...>) {
    return std::array<Tile, sizeof...(Slot)>{gemm_tile<T, Lanes, Vectors, RowSplit<kMost>::length(Slot)>...};
  }
  (std::make_integer_sequence<int, RowSplit<kMost>::kSlots>{});
  const RowSplit<kMost> split(width);
  for (std::int64_t i = 0; i < split.tiles(); ++i) {
    const std::int64_t begin = split.begin(i);
    GemmTileArgs<T, Vectors> a = all;
    a.in += begin * a.run;
    for (T*& out : a.out) { out += begin * a.out_step; }
    kTiles[split.slot(split.begin(i + 1) - begin)](a);
  }
}

}  // namespace
}  // namespace vox
