#pragma once

#include <algorithm>

#include "kernels/cpu/amx/stage_pairs.h"

// What a box of the weight gradient reads of dy, as bf16 parts with rows of positions; laid out as AmxGradWeight says.

namespace vox {
namespace {

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
