#pragma once

#include <algorithm>

#include "kernels/cpu/amx/stage.h"

// What a box of the weight gradient reads, as bf16 parts: x with pairs of positions, dy with rows of positions, laid
// out as AmxGradWeight says.

namespace vox {
namespace {

/// Positions (2j, 2j+1) of sixteen channels: per part, a word per channel with the first in its lower half.
struct PairWords {
  __m512i high;
  __m512i low;
};
VOX_INLINED inline __m512i words(__m256i even, __m256i odd) {
  return _mm512_or_si512(_mm512_cvtepu16_epi32(even), _mm512_slli_epi32(_mm512_cvtepu16_epi32(odd), 16));
}
VOX_INLINED inline PairWords pair_words(__m512 even, __m512 odd) {
  const Halves a = halves(even);
  const Halves b = halves(odd);
  return {words(a.high, b.high), words(a.low, b.low)};
}
VOX_INLINED inline PairWords pair_words(__m256i even, __m256i odd) {
  return {words(even, odd), _mm512_setzero_si512()};
}

/// Row i becomes column i.
VOX_INLINED inline void transpose16(__m512i (&r)[16]) {
  __m512i t[16];
  unrolled<8>([&](auto i) VOX_INLINED {
    t[2 * i] = _mm512_unpacklo_epi32(r[2 * i], r[2 * i + 1]);
    t[2 * i + 1] = _mm512_unpackhi_epi32(r[2 * i], r[2 * i + 1]);
  });
  unrolled<4>([&](auto i) VOX_INLINED {
    r[4 * i] = _mm512_unpacklo_epi64(t[4 * i], t[4 * i + 2]);
    r[4 * i + 1] = _mm512_unpackhi_epi64(t[4 * i], t[4 * i + 2]);
    r[4 * i + 2] = _mm512_unpacklo_epi64(t[4 * i + 1], t[4 * i + 3]);
    r[4 * i + 3] = _mm512_unpackhi_epi64(t[4 * i + 1], t[4 * i + 3]);
  });
  unrolled<4>([&](auto i) VOX_INLINED {
    t[i] = _mm512_shuffle_i32x4(r[i], r[i + 4], 0x88);
    t[i + 4] = _mm512_shuffle_i32x4(r[i], r[i + 4], 0xDD);
    t[i + 8] = _mm512_shuffle_i32x4(r[i + 8], r[i + 12], 0x88);
    t[i + 12] = _mm512_shuffle_i32x4(r[i + 8], r[i + 12], 0xDD);
  });
  unrolled<4>([&](auto i) VOX_INLINED {
    r[i] = _mm512_shuffle_i32x4(t[i], t[i + 8], 0x88);
    r[i + 8] = _mm512_shuffle_i32x4(t[i], t[i + 8], 0xDD);
    r[i + 4] = _mm512_shuffle_i32x4(t[i + 4], t[i + 12], 0x88);
    r[i + 12] = _mm512_shuffle_i32x4(t[i + 4], t[i + 12], 0xDD);
  });
}

/// Whether a row is beside the volume: it counts as zeros.
struct RowOfX {
  bool inside;
  std::int64_t at;  ///< its first voxel in a block
};
inline RowOfX row_of_x(const AmxGradWeight& g, std::int64_t d, std::int64_t h) {
  d -= g.padding;
  h -= g.padding;
  const bool inside = d >= 0 && d < g.x.d && h >= 0 && h < g.x.h;
  return {inside, inside ? (d * g.x.h + h) * g.x.w * kBlock8 : 0};
}

/// A row of sixteen channels: positions [0,pitch), paired from even ones on and from odd ones. The odd pairing's first
/// word, position -1 beside 0, completes the last of the row before.
template <class T> VOX_TILE void stage_x_row(const AmxGradWeight& g, const T* first, const T* second, Bf16* to) {
  using Values = decltype(load16(first, second, 0));
  const std::int64_t odd = g.parts * g.x_part();
  const auto value = [&](std::int64_t p) VOX_INLINED {
    const std::int64_t w = p - g.padding;
    return w >= 0 && w < g.x.w ? load16(first, second, w * kBlock8) : Values{};
  };
  const auto put = [&](Bf16* at, const PairWords& w) VOX_INLINED {
    store512(at, w.high);
    if (g.parts == 2) { store512(at + g.x_part(), w.low); }
  };
  // pair j of the odd pairing is (2j+1, 2j+2); position `pitch` is position 0 of the next row, where a tap of dy's
  // zeros reads it or, at the row's end, the last tap of the last voxel does not: pitch >= W + 2
  Values here = value(0);
  for (std::int64_t p = 0; p < g.pitch; p += 2) {
    const Values next = value(p + 1);
    const Values after = value(p + 2);
    put(to + p * kAmxColumns, pair_words(here, next));
    put(to + odd + p * kAmxColumns, pair_words(next, after));
    here = after;
  }
}

/// A row of at most five channels, each at three neighbouring positions: column kw*C + i is channel i at position p+kw.
template <class T> VOX_TILE void stage_x_copies(const AmxGradWeight& g, const T* first, Bf16* to) {
  const auto words_of = [&](std::int64_t p, Bf16(&high)[16], Bf16(&low)[16]) {
    for (std::int64_t j = 0; j < 16; ++j) { high[j] = low[j] = {}; }
    for (std::int64_t kw = 0; kw < 3; ++kw) {
      const std::int64_t w = p + kw - g.padding;
      if (first == nullptr || w < 0 || w >= g.x.w) { continue; }
      const T* const from = first + w * kBlock8;
      if constexpr (std::is_same_v<T, float>) {
        alignas(32) Bf16 parts[2][16];
        const Halves h = halves(_mm512_castps256_ps512(_mm256_loadu_ps(from)));
        _mm256_store_si256(reinterpret_cast<__m256i*>(parts[0]), h.high);
        _mm256_store_si256(reinterpret_cast<__m256i*>(parts[1]), h.low);
        for (std::int64_t i = 0; i < g.x.c; ++i) {
          high[kw * g.x.c + i] = parts[0][i];
          low[kw * g.x.c + i] = parts[1][i];
        }
      } else {
        for (std::int64_t i = 0; i < g.x.c; ++i) { high[kw * g.x.c + i] = from[i]; }
      }
    }
  };
  const auto vector = [](const Bf16(&v)[16]) { return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(v)); };
  for (std::int64_t p = 0; p < g.pitch; p += 2) {
    Bf16 high[2][16];
    Bf16 low[2][16];
    words_of(p, high[0], low[0]);
    words_of(p + 1, high[1], low[1]);
    store512(to + p * kAmxColumns, words(vector(high[0]), vector(high[1])));
    if (g.parts == 2) { store512(to + g.x_part() + p * kAmxColumns, words(vector(low[0]), vector(low[1]))); }
  }
}

template <class T>
void stage_x(const AmxGradWeight& g, const AmxBox& box, std::int64_t first_column, std::int64_t columns,
             const VolumeParts<const T>& x, Bf16* to) {
  const std::int64_t height = box.h_end - box.h_begin + 2;
  for (std::int64_t d = box.d_begin; d < box.d_end + 2; ++d, to += g.x_plane()) {
    for (std::int64_t i = 0; i < columns; ++i) {
      Bf16* const column = to + i * g.x_column();
      const std::int64_t block = (first_column + i) * 2;
      for (std::int64_t h = 0; h < height; ++h) {
        const RowOfX row = row_of_x(g, d, box.h_begin + h);
        const T* const first = row.inside ? x.at(box.n, block) + row.at : nullptr;
        const T* const second = row.inside && block + 1 < g.x.blocks() ? x.at(box.n, block + 1) + row.at : nullptr;
        Bf16* const at = column + h * g.pitch * kAmxColumns;
        g.copies == 3 ? stage_x_copies(g, first, at) : stage_x_row(g, first, second, at);
      }
      for (std::int64_t p = 0; p < g.pairings * g.parts; ++p) {
        clear(column + p * g.x_part() + height * g.pitch * kAmxColumns, (g.stretch - height * g.pitch) * kAmxColumns);
      }
    }
  }
}

/// A row of dy: positions [0,pitch) of sixteen channels to sixteen rows `length` apart, zero beside the volume.
template <class T> VOX_TILE void stage_dy_row(const AmxGradWeight& g, const T* first, const T* second, Bf16* to) {
  using Values = decltype(load16(first, second, 0));
  const auto value = [&](std::int64_t w)
                         VOX_INLINED { return w < g.dy.w ? load16(first, second, w * kBlock8) : Values{}; };
  for (std::int64_t p = 0; p < g.pitch; p += kAmxDepth) {
    const auto store_part = [&](__m512i(&rows)[16], Bf16* at) VOX_INLINED {
      const std::int64_t count = g.pitch - p;
      const auto present = count >= kAmxDepth ? ~__mmask32{0} : (__mmask32{1} << static_cast<unsigned>(count)) - 1U;
      transpose16(rows);
      unrolled<16>([&](auto r) VOX_INLINED { _mm512_mask_storeu_epi16(at + p + r * g.length, present, rows[r]); });
    };
    __m512i high[16];
    __m512i low[16];
    for (int j = 0; j < 16; ++j) {
      const PairWords w = pair_words(value(p + 2 * j), value(p + 2 * j + 1));
      high[j] = w.high;
      low[j] = w.low;
    }
    store_part(high, to);
    if (g.parts == 2) { store_part(low, to + g.dy_part()); }
  }
}

template <class T>
void stage_dy(const AmxGradWeight& g, const AmxBox& box, std::int64_t first_row, std::int64_t rows, const T* dy,
              Bf16* to) {
  const std::int64_t height = box.h_end - box.h_begin;
  for (std::int64_t d = box.d_begin; d < box.d_end; ++d, to += g.dy_plane()) {
    for (std::int64_t i = 0; i < rows; ++i) {
      Bf16* const tile = to + i * g.parts * g.dy_part();
      const std::int64_t block = (first_row + i) * 2;
      for (std::int64_t h = 0; h < height; ++h) {
        const std::int64_t at = (d * g.dy.h + box.h_begin + h) * g.dy.w;
        const T* const first = dy + g.dy.offset(box.n, block, at);
        const T* const second = block + 1 < g.dy.blocks() ? dy + g.dy.offset(box.n, block + 1, at) : nullptr;
        stage_dy_row(g, first, second, tile + h * g.pitch);
      }
      for (std::int64_t r = 0; r < g.parts * kAmxRows; ++r) {
        clear(tile + r * g.length + height * g.pitch, g.length - height * g.pitch);
      }
    }
  }
}

}  // namespace
}  // namespace vox
