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

}  // namespace
}  // namespace vox
