#pragma once

#include <algorithm>

#include "kernels/cpu/amx/stage_pairs.h"

// What a box of the weight gradient reads, as bf16 parts: x with pairs of positions, dy with rows of positions, laid
// out as AmxGradWeight says.

namespace vox {
namespace {

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

/// A row of sixteen channels: positions [0,pitch), paired from even ones on and from odd ones. The last odd pair would
/// need the next row's position 0; dy has zeros where it is read.
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
  Values here = value(0);
  for (std::int64_t p = 0; p < g.pitch; p += 2) {
    const Values next = value(p + 1);
    const Values after = value(p + 2);
    put(to + p * kAmxColumns, pair_words(here, next));
    put(to + odd + p * kAmxColumns, pair_words(next, after));
    here = after;
  }
}

/// Four channels of four neighbouring voxels from position p on, zero beside the volume.
template <class T> VOX_INLINED inline auto four_voxels(const AmxGradWeight& g, const T* row, std::int64_t p) {
  const auto voxel = [&](std::int64_t i) VOX_INLINED {
    const std::int64_t w = p + i - g.padding;
    const bool inside = row != nullptr && w >= 0 && w < g.x.w;
    if constexpr (std::is_same_v<T, float>) {
      return inside ? _mm_loadu_ps(row + w * kBlock8) : _mm_setzero_ps();
    } else {
      return inside ? _mm_loadl_epi64(reinterpret_cast<const __m128i*>(row + w * kBlock8)) : _mm_setzero_si128();
    }
  };
  if constexpr (std::is_same_v<T, float>) {
    const __m256 low = _mm256_insertf128_ps(_mm256_castps128_ps256(voxel(0)), voxel(1), 1);
    const __m256 high = _mm256_insertf128_ps(_mm256_castps128_ps256(voxel(2)), voxel(3), 1);
    return _mm512_insertf32x8(_mm512_castps256_ps512(low), high, 1);
  } else {
    return _mm256_inserti128_si256(_mm256_castsi128_si256(_mm_unpacklo_epi64(voxel(0), voxel(1))),
                                   _mm_unpacklo_epi64(voxel(2), voxel(3)), 1);
  }
}
VOX_INLINED inline __m512 a_voxel_on(__m512 here, __m512 next) {
  return _mm512_castsi512_ps(_mm512_alignr_epi32(_mm512_castps_si512(next), _mm512_castps_si512(here), 4));
}
VOX_INLINED inline __m256i a_voxel_on(__m256i here, __m256i next) { return _mm256_alignr_epi64(next, here, 1); }

/// A row of at most four channels, each at three neighbouring positions: column kw*4 + i is channel i at position p+kw.
template <class T> VOX_TILE void stage_x_copies(const AmxGradWeight& g, const T* row, Bf16* to) {
  constexpr std::int64_t kPiece = 64;  // positions
  constexpr __mmask16 kColumns = 0x0FFF;
  alignas(64) std::uint32_t pairs[2][(kPiece + 4) * 4];  // of a position and the next one, four channels
  for (std::int64_t first = 0; first < g.pitch; first += kPiece) {
    const std::int64_t count = std::min(kPiece, g.pitch - first);
    auto here = four_voxels(g, row, first);
    for (std::int64_t p = 0; p < count + 4 && p < kPiece + 4; p += 4) {
      const auto next = four_voxels(g, row, first + p + 4);
      const PairWords w = pair_words(here, a_voxel_on(here, next));
      _mm512_store_si512(pairs[0] + p * 4, w.high);
      _mm512_store_si512(pairs[1] + p * 4, w.low);
      here = next;
    }
    for (std::int64_t part = 0; part < g.parts; ++part) {
      Bf16* const at = to + part * g.x_part() + first * kAmxColumns;
      for (std::int64_t p = 0; p < count; p += 2) {
        store512(at + p * kAmxColumns, _mm512_maskz_loadu_epi32(kColumns, pairs[part] + p * 4));
      }
    }
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

}  // namespace
}  // namespace vox
