#pragma once

#include "kernels/cpu/amx/stage.h"

namespace vox {
namespace {

/// Two positions of sixteen channels: per half, a word per channel with the first in its lower half.
struct PairWords {
  __m512i high;
  __m512i low;
};
VOX_INLINED inline __m512i words(__m512i even_then_odd) {
  const __m512i order =
      _mm512_set_epi32(0x1F000F, 0x1E000E, 0x1D000D, 0x1C000C, 0x1B000B, 0x1A000A, 0x190009, 0x180008, 0x170007,
                       0x160006, 0x150005, 0x140004, 0x130003, 0x120002, 0x110001, 0x100000);
  return _mm512_permutexvar_epi16(order, even_then_odd);
}
VOX_INLINED inline PairWords pair_words(__m512 even, __m512 odd) {
  const __m512i high = words(reinterpret_cast<__m512i>(_mm512_cvtne2ps_pbh(odd, even)));
  const __m512 even_back = _mm512_castsi512_ps(_mm512_slli_epi32(high, 16));
  const __m512 odd_back = _mm512_castsi512_ps(_mm512_and_si512(high, _mm512_set1_epi32(-0x10000)));
  const __m512 even_low = _mm512_sub_ps(even, even_back);
  const __m512 odd_low = _mm512_sub_ps(odd, odd_back);
  return {high, words(reinterpret_cast<__m512i>(_mm512_cvtne2ps_pbh(odd_low, even_low)))};
}
VOX_INLINED inline PairWords pair_words(__m256i even, __m256i odd) {
  return {words(joined(even, odd)), _mm512_setzero_si512()};
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

/// Four columns, from column 4*`quarter` on, of sixteen rows in memory become rows, `pitch` words apart. The loads do
/// most of the work: shuffles would keep the only port waiting that does them.
VOX_INLINED inline void transpose_quarter(const std::uint32_t (&rows)[16][16], std::int64_t quarter, char* to,
                                          std::int64_t row_bytes) {
  __m512i r[4];  // its lane l is of row 4*l + i
  unrolled<4>([&](auto i) VOX_INLINED {
    const auto piece = [&](std::int64_t row) VOX_INLINED {
      return _mm_load_si128(reinterpret_cast<const __m128i*>(rows[row] + quarter * 4));
    };
    r[i] = _mm512_castsi128_si512(piece(i));
    r[i] = _mm512_mask_broadcast_i32x4(r[i], 0x00F0, piece(4 + i));
    r[i] = _mm512_mask_broadcast_i32x4(r[i], 0x0F00, piece(8 + i));
    r[i] = _mm512_mask_broadcast_i32x4(r[i], 0xF000, piece(12 + i));
  });
  const __m512i low01 = _mm512_unpacklo_epi32(r[0], r[1]);
  const __m512i high01 = _mm512_unpackhi_epi32(r[0], r[1]);
  const __m512i low23 = _mm512_unpacklo_epi32(r[2], r[3]);
  const __m512i high23 = _mm512_unpackhi_epi32(r[2], r[3]);
  _mm512_storeu_si512(to, _mm512_unpacklo_epi64(low01, low23));
  _mm512_storeu_si512(to + row_bytes, _mm512_unpackhi_epi64(low01, low23));
  _mm512_storeu_si512(to + 2 * row_bytes, _mm512_unpacklo_epi64(high01, high23));
  _mm512_storeu_si512(to + 3 * row_bytes, _mm512_unpackhi_epi64(high01, high23));
}

}  // namespace
}  // namespace vox
