#pragma once

#include "kernels/cpu/amx/tiles.h"
#include "kernels/cpu/simd/stream.h"

namespace vox {
namespace {

/// Stores sixteen channels of a voxel, the second eight unless there is no place for them: what is read again, since
/// bf16 rounds. streams: past the caches, where that can be.
template <class T> VOX_INLINED inline __m512 store16(__m512 sums, T* first, T* second, bool streams) {
  if constexpr (std::is_same_v<T, float>) {
    const __m256 low = _mm512_castps512_ps256(sums);
    const __m256 high = _mm512_extractf32x8_ps(sums, 1);
    if (streams && second != nullptr) {
      _mm256_stream_ps(first, low);
      _mm256_stream_ps(second, high);
      return sums;
    }
    _mm256_storeu_ps(first, low);
    if (second != nullptr) { _mm256_storeu_ps(second, high); }
    return sums;
  } else {
    const auto rounded = reinterpret_cast<__m256i>(_mm512_cvtneps_pbh(sums));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(first), _mm256_castsi256_si128(rounded));
    if (second != nullptr) {
      _mm_storeu_si128(reinterpret_cast<__m128i*>(second), _mm256_extracti128_si256(rounded, 1));
    }
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(rounded), 16));
  }
}

}  // namespace
}  // namespace vox
