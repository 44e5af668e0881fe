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

}  // namespace
}  // namespace vox
