#pragma once

#include "kernels/cpu/amx/stage.h"

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

}  // namespace
}  // namespace vox
