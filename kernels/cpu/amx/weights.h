#pragma once

#include "kernels/cpu/amx/tiles.h"
#include "kernels/parallel.h"

// Weights as tiles B: [columns][groups][9 (kd,kh)][steps][weight parts][16 pairs][16 output channels][2] bf16.

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
    const std::int64_t tile = (delta / 3 * c.steps + kw / c.positions) * c.weight_parts;
    p.at[tap] = static_cast<std::int32_t>(tile * kAmxTileBytes / 4 + kw % c.positions * c.unit / 2 * kAmxColumns);
  }
  return p;
}

/// The taps of two input channels for one output channel, from `even` and `odd` (null: zero), to both halves.
VOX_INLINED inline void pack_pair(const AmxConv& c, const TapPlaces& places, const float* even, const float* odd,
                                  std::uint32_t* to) {
  const auto row_of_low = static_cast<std::int32_t>(c.channels / 2 * kAmxColumns);
  unrolled<2>([&](auto half) VOX_INLINED {
    constexpr __mmask16 kTaps = half == 0 ? 0xFFFF : 0x07FF;
    const auto taps = [&](const float* from) VOX_INLINED {
      return from != nullptr ? _mm512_maskz_loadu_ps(kTaps, from + half * 16) : _mm512_setzero_ps();
    };
    const Halves a = halves(taps(even));
    const Halves b = halves(taps(odd));
    const auto pair = [](__m256i low, __m256i high) VOX_INLINED {
      return _mm512_or_si512(_mm512_cvtepu16_epi32(low), _mm512_slli_epi32(_mm512_cvtepu16_epi32(high), 16));
    };
    const __m512i places16 = _mm512_load_si512(places.at + half * 16);
    const auto put = [&](std::int32_t at, __m512i v) VOX_INLINED {
      _mm512_mask_i32scatter_epi32(to, kTaps, _mm512_add_epi32(places16, _mm512_set1_epi32(at)), v, 4);
    };
    put(0, pair(a.high, b.high));
    if (c.weight_parts == 2) {
      constexpr auto kNextTile = static_cast<std::int32_t>(kAmxTileBytes / 4);
      put(kNextTile, pair(a.low, b.low));
      if (c.planes == 1) {  // the low parts of x are in the same rows of A, and meet the same weights
        put(row_of_low, pair(a.high, b.high));
        put(kNextTile + row_of_low, pair(a.low, b.low));
      }
    }
  });
}

/// All tiles, and the bias after them: [columns*16], zero where there is none.
inline void pack_weights(int threads, const AmxConv& c, const float* weight, const float* bias, float* scratch) {
  const TapPlaces places = tap_places(c);
  const bool spread = c.pass == Conv3dPass::spread;
  const std::int64_t o_step = spread ? 27 : c.in.c * 27;
  const std::int64_t i_step = spread ? c.out.c * 27 : 27;
  const std::int64_t group_words = c.tiles() / c.groups * kAmxTileBytes / 4;
  auto* const tiles = reinterpret_cast<std::uint32_t*>(scratch);
  parallel_for(threads, c.columns * c.groups, [&](std::int64_t task) {
    std::uint32_t* const to = tiles + task * group_words;
    __builtin_memset(to, 0, static_cast<std::size_t>(group_words) * 4);
    const std::int64_t first_o = task / c.groups * kAmxColumns;
    const std::int64_t first_i = task % c.groups * c.channels;
    const std::int64_t outputs = std::min(kAmxColumns, c.out.c - first_o);
    for (std::int64_t i = 0; i < std::min(c.channels, c.in.c - first_i); i += 2) {
      for (std::int64_t o = 0; o < outputs; ++o) {
        const float* const even = weight + (first_o + o) * o_step + (first_i + i) * i_step;
        pack_pair(c, places, even, first_i + i + 1 < c.in.c ? even + i_step : nullptr, to + i / 2 * kAmxColumns + o);
      }
    }
  });
  float* const to = scratch + c.columns * c.tiles() * kAmxTileBytes / 4;
  for (std::int64_t o = 0; o < c.columns * kAmxColumns; ++o) {
    to[o] = bias != nullptr && o < c.out.c ? bias[o] : 0.0F;
  }
}

}  // namespace
}  // namespace vox
