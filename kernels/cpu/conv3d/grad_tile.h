#pragma once

#include "kernels/base/volume.h"
#include "kernels/cpu/conv3d/gather.h"
#include "kernels/cpu/simd/vector.h"

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

/// Where vector i of a tile of Channels inputs per tap lies in dweight.
template <class A, int Lanes, int Vectors, int Channels, int I>
VOX_INLINED inline A* dweight_at(const GradTileArgs<A>& a) {
  constexpr int kAt = I / Vectors;
  return a.dweight + (kAt / Channels * kBlock8 + kAt % Channels) * a.group + I % Vectors * Lanes;
}

template <class A> VOX_INLINED inline void fetch_ahead(const GradTileArgs<A>& a) {
  if (a.prefetch == nullptr) { return; }
  for (std::int64_t i = 0; i < a.lines; ++i) { __builtin_prefetch(a.prefetch + i * 64, 0, 2); }
}

/// A tile of Taps x Channels inputs by Vectors*Lanes output channels lives in registers while all voxels go by.
template <class A, int Lanes, int Vectors, int Taps, int Channels>
VOX_TILE void conv_grad_tile(const GradTileArgs<A>& a) {
  constexpr int kTile = Taps * Channels;
  Registers<A, Lanes, kTile * Vectors> acc;
  const std::int64_t group = a.group;
  unrolled<kTile * Vectors>([&](auto i)
                                VOX_INLINED { load_vector(acc[i], dweight_at<A, Lanes, Vectors, Channels, i>(a)); });
  fetch_ahead(a);
  for (std::int64_t row = 0; row < a.rows; ++row) {
    const A* x[static_cast<std::size_t>(Taps)];
    unrolled<Taps>([&](auto k) VOX_INLINED { x[k] = a.x + row * a.x_row + a.offset[k]; });
    const A* dy = a.dy + row * a.dy_row;
    const A* const end = dy + a.width * group;
    for (; dy != end; dy += group) {
      Registers<A, Lanes, Vectors> gradient;
      unrolled<Vectors>([&](auto v) VOX_INLINED { load_vector(gradient[v], dy + v * Lanes); });
      unrolled<kTile>([&](auto i) VOX_INLINED {
        const A value = x[i / Channels][i % Channels];
        unrolled<Vectors>([&](auto v) VOX_INLINED { acc[i * Vectors + v] += value * gradient[v]; });
      });
      unrolled<Taps>([&](auto k) VOX_INLINED { x[k] += kBlock8; });
    }
  }
  unrolled<kTile * Vectors>([&](auto i)
                                VOX_INLINED { store_vector(dweight_at<A, Lanes, Vectors, Channels, i>(a), acc[i]); });
}

/// The same for three taps that are neighbours along W, and two voxels or more: an input value meets the gradients of
/// three voxels, so it is read once where the tile above reads it three times.
template <class A, int Lanes, int Vectors, int Channels> VOX_TILE void conv_grad_run(const GradTileArgs<A>& a) {
  constexpr int kTile = 3 * Channels * Vectors;
  Registers<A, Lanes, kTile> acc;
  const std::int64_t group = a.group;
  unrolled<kTile>([&](auto i) VOX_INLINED { load_vector(acc[i], dweight_at<A, Lanes, Vectors, Channels, i>(a)); });
  fetch_ahead(a);
  for (std::int64_t row = 0; row < a.rows; ++row) {
    const A* x = a.x + row * a.x_row + a.offset[0];
    const A* dy = a.dy + row * a.dy_row;
    Registers<A, Lanes, 3 * Vectors> gradient;  // of three voxels in a row, the last one first
    unrolled<3 * Vectors>([&](auto i) VOX_INLINED { gradient[i] = Vector<A, Lanes>{}; });
    const auto shift = [&]() VOX_INLINED {
      unrolled<Vectors>([&](auto v) VOX_INLINED {
        gradient[2 * Vectors + v] = gradient[Vectors + v];
        gradient[Vectors + v] = gradient[v];
      });
    };
    const auto next = [&]() VOX_INLINED {
      shift();
      unrolled<Vectors>([&](auto v) VOX_INLINED { load_vector(gradient[v], dy + v * Lanes); });
      dy += group;
    };
    // An input value and the taps First … Last, whose voxels are inside the row.
    const auto meet = [&]<int First, int Last>(std::integer_sequence<int, First, Last>) VOX_INLINED {
      unrolled<Channels>([&](auto c) VOX_INLINED {
        const A value = x[c];
        unrolled<(Last - First + 1) * Vectors>([&](auto i) VOX_INLINED {
          constexpr int kTap = First + i / Vectors;
          acc[(kTap * Channels + c) * Vectors + i % Vectors] += value * gradient[kTap * Vectors + i % Vectors];
        });
      });
      x += kBlock8;
    };
    const A* const end = dy + a.width * group;
    next();
    meet(std::integer_sequence<int, 0, 0>{});
    next();
    meet(std::integer_sequence<int, 0, 1>{});
    while (dy != end) {
      next();
      meet(std::integer_sequence<int, 0, 2>{});
    }
    shift();
    meet(std::integer_sequence<int, 1, 2>{});
    shift();
    meet(std::integer_sequence<int, 2, 2>{});
  }
  unrolled<kTile>([&](auto i) VOX_INLINED { store_vector(dweight_at<A, Lanes, Vectors, Channels, i>(a), acc[i]); });
}

/// All taps of some channels of a block by Vectors*Lanes output channels, three taps at a time.
template <class A, int Lanes, int Vectors, int Channels>
void conv_grad_taps(GradTileArgs<A> a, std::int64_t taps, Ahead& ahead) {
  constexpr bool kRunFits = 3 * (Channels + 1) * Vectors + 1 <= kRegisters;
  A* const dweight = a.dweight;
  const std::int64_t* const offset = a.offset;
  for (std::int64_t k = 0; k < taps; k += 3) {
    a.dweight = dweight + k * kBlock8 * a.group;
    a.offset = offset + k;
    a.prefetch = ahead.take(a.lines);
    const bool run =
        taps - k >= 3 && a.width >= 2 && a.offset[1] - a.offset[0] == kBlock8 && a.offset[2] - a.offset[1] == kBlock8;
    if constexpr (kRunFits) {
      if (run) {
        conv_grad_run<A, Lanes, Vectors, Channels>(a);
        continue;
      }
    }
    switch (taps - k) {
      case 1:
        conv_grad_tile<A, Lanes, Vectors, 1, Channels>(a);
        break;
      case 2:
        conv_grad_tile<A, Lanes, Vectors, 2, Channels>(a);
        break;
      default:
        conv_grad_tile<A, Lanes, Vectors, 3, Channels>(a);
    }
  }
}

/// All taps and channels of a block of input channels.
template <class A, int Lanes, int Vectors>
void conv_grad_tiles(GradTileArgs<A> a, std::int64_t taps, std::int64_t channels, Ahead& ahead) {
  // 3 taps x kChannels x Vectors accumulators leave room for the gradient and a value
  constexpr int kChannels = kRegisters >= 32 ? 8 / Vectors : 4 / Vectors;
  const A* const x = a.x;
  A* const dweight = a.dweight;
  for (std::int64_t c = 0; c < channels; c += kChannels) {
    a.x = x + c;
    a.dweight = dweight + c * a.group;
    if constexpr (kChannels == 8) {
      if (channels <= 4) { return conv_grad_taps<A, Lanes, Vectors, 4>(a, taps, ahead); }  // the images themselves
    }
    conv_grad_taps<A, Lanes, Vectors, kChannels>(a, taps, ahead);
  }
}

}  // namespace
}  // namespace vox
