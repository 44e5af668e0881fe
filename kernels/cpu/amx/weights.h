#pragma once

#include "kernels/base/parallel.h"
#include "kernels/cpu/amx/stage_pairs.h"

// Weights as tiles B: [columns][groups][9 (kd,kh)][steps][weight halves][16 pairs][16 output channels][2] bf16.

namespace vox {
namespace {

/// What the 27 taps of one weight kernel become: where each lies among the tiles of a group, for channel pair 0 of part
/// 0 and output channel 0, in pairs of bf16.
struct TapPlaces {
  alignas(64) std::int32_t at[32];
};
inline TapPlaces tap_places(const AmxConv& c) {
  TapPlaces p{};
  for (std::int64_t tap = 0; tap < 27; ++tap) {
    const std::int64_t delta = c.pass == Conv3dPass::spread ? 26 - tap : tap;
    const std::int64_t kw = delta % 3;
    const std::int64_t tile = (delta / 3 * c.steps + kw / c.positions) * c.weight_halves;
    p.at[tap] = static_cast<std::int32_t>(tile * kAmxTileBytes / 4 + kw % c.positions * c.unit / 2 * kAmxColumns);
  }
  return p;
}

/// The taps of two input channels (`odd`: whether there is a second) for up to sixteen output channels `o_step` apart:
/// a row of each tap's tiles.
VOX_TILE inline void pack_pairs(const AmxConv& c, const TapPlaces& places, const float* weight, std::int64_t o_step,
                                std::int64_t outputs, std::int64_t i_step, bool odd, std::uint32_t* to) {
  const std::int64_t row_of_low = c.channels / 2 * kAmxColumns;
  constexpr std::int64_t kNextTile = kAmxTileBytes / 4;
  unrolled<2>([&](auto half) VOX_INLINED {
    constexpr std::int64_t kTaps = half == 0 ? 16 : 11;
    constexpr auto kPresent = static_cast<__mmask16>((1U << kTaps) - 1U);
    __m512i high[16];
    __m512i low[16];
    for (std::int64_t o = 0; o < 16; ++o) {
      const float* const from = weight + o * o_step + half * 16;
      const auto present = static_cast<__mmask16>(o < outputs ? kPresent : 0U);
      const auto second = static_cast<__mmask16>(odd ? present : 0U);
      const PairWords words =
          pair_words(_mm512_maskz_loadu_ps(present, from), _mm512_maskz_loadu_ps(second, from + i_step));
      high[o] = words.high;
      low[o] = words.low;
    }
    transpose16(high);
    const auto put = [&](std::int64_t at, const __m512i(&rows)[16]) VOX_INLINED {
      unrolled<kTaps>([&](auto t) VOX_INLINED { _mm512_store_si512(to + places.at[half * 16 + t] + at, rows[t]); });
    };
    put(0, high);
    if (c.weight_halves == 2) {
      transpose16(low);
      put(kNextTile, low);
      if (c.halves_apart == 1) {  // the low halves of x are in the same rows of A, and meet the same weights
        put(row_of_low, high);
        put(kNextTile + row_of_low, low);
      }
    }
  });
}

/// The tiles of 16 output channels.
inline void pack_group(const AmxConv& c, const TapPlaces& places, std::int64_t column, std::int64_t group,
                       const float* weight, std::uint32_t* to) {
  const bool spread = c.pass == Conv3dPass::spread;
  const std::int64_t o_step = spread ? 27 : c.in.c * 27;
  const std::int64_t i_step = spread ? c.out.c * 27 : 27;
  const std::int64_t first_o = column * kAmxColumns;
  const std::int64_t first_i = group * c.channels;
  if (c.positions > 1 || c.in.c - first_i < c.channels) {  // rows of B that no tap fills
    __builtin_memset(to, 0, static_cast<std::size_t>(c.tiles() / c.groups * kAmxTileBytes));
  }
  const std::int64_t outputs = std::min(kAmxColumns, c.out.c - first_o);
  for (std::int64_t i = 0; i < std::min(c.channels, c.in.c - first_i); i += 2) {
    pack_pairs(c, places, weight + first_o * o_step + (first_i + i) * i_step, o_step, outputs, i_step,
               first_i + i + 1 < c.in.c, to + i / 2 * kAmxColumns);
  }
}

/// Some columns of tiles, `to` where the first of them goes.
inline void pack_columns(const AmxConv& c, std::int64_t first, std::int64_t last, const float* weight, float* to) {
  const TapPlaces places = tap_places(c);
  const std::int64_t group_words = c.tiles() / c.groups * kAmxTileBytes / 4;
  for (std::int64_t i = first * c.groups; i < last * c.groups; ++i, to += group_words) {
    pack_group(c, places, i / c.groups, i % c.groups, weight, reinterpret_cast<std::uint32_t*>(to));
  }
}

/// All tiles.
inline void pack_weights(int threads, const AmxConv& c, const float* weight, float* to) {
  const TapPlaces places = tap_places(c);
  const std::int64_t group_words = c.tiles() / c.groups * kAmxTileBytes / 4;
  parallel_for(threads, c.columns * c.groups, [&](std::int64_t i) {
    pack_group(c, places, i / c.groups, i % c.groups, weight, reinterpret_cast<std::uint32_t*>(to + i * group_words));
  });
}

/// The bias [columns*16], zero where there is none.
inline void pack_bias(const AmxConv& c, const float* bias, float* to) {
  for (std::int64_t o = 0; o < c.columns * kAmxColumns; ++o) {
    to[o] = bias != nullptr && o < c.out.c ? bias[o] : 0.0F;
  }
}

}  // namespace
}  // namespace vox
