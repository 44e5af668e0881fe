#pragma once

#include <immintrin.h>

#include <cstdint>

#include "kernels/base/bf16.h"
#include "kernels/cpu/simd/vector.h"
#include "kernels/plan/amx.h"

// AMX tiles and bf16 halves of f32 values. The compiler's macros want tile numbers spelled as literals. Everything is
// internal to the file that includes it: see simd/vector.h.

namespace vox {
namespace {

/// All eight tiles are 16 rows of 64 bytes while it lives; AMX state costs context switches, so not for longer.
class TileScope {
 public:
  TileScope() {
    struct alignas(64) Config {
      std::uint8_t palette = 1;
      std::uint8_t start_row = 0;
      std::uint8_t reserved[14] = {};
      std::uint16_t row_bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
      std::uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
    } const config;
    _tile_loadconfig(&config);
  }
  TileScope(const TileScope&) = delete;
  TileScope& operator=(const TileScope&) = delete;
  ~TileScope() { _tile_release(); }
};

/// Tile loads do not tell the compiler what they read: what was written before must be in memory.
VOX_INLINED inline void memory_barrier() { __asm__ volatile("" ::: "memory"); }

/// Sixteen values as bf16, high halves and what those leave.
struct Halves {
  __m256i high;
  __m256i low;
};
VOX_INLINED inline Halves halves(__m512 v) {
  const auto high = reinterpret_cast<__m256i>(_mm512_cvtneps_pbh(v));
  const __m512 back = _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(high), 16));
  return {high, reinterpret_cast<__m256i>(_mm512_cvtneps_pbh(_mm512_sub_ps(v, back)))};
}
VOX_INLINED inline __m512i joined(__m256i low_lanes, __m256i high_lanes) {
  return _mm512_inserti64x4(_mm512_castsi256_si512(low_lanes), high_lanes, 1);
}

}  // namespace
}  // namespace vox
