#pragma once

#include "kernels/base/parallel.h"
#include "kernels/cpu/amx/gemm.h"

// Weights of convolutions whose windows lie side by side: strips of B, and gradients back to where weights lie.

namespace vox {
namespace {

/// Where the weights of sixteen fine columns and coarse channel o lie: at + lanes.
struct WeightLanes {
  WeightLanes(const AmxGemm& a, std::int64_t fine_tile) : side{a, true}, taps(a.gemm.taps()) {
    const VolumeShape& s = a.gemm.fine;
    alignas(64) std::int32_t lane[16];
    for (std::int32_t i = 0; i < 16; ++i) { lane[i] = taps == 8 ? i % 8 * 8 + i / 8 : i; }
    lanes = _mm512_load_si512(lane);
    present = side.sixteen(fine_tile).present;
    const std::int64_t block = taps == 8 ? fine_tile % s.blocks() : 2 * fine_tile;
    first = block * kBlock8 * taps + (taps == 8 ? fine_tile / s.blocks() * 2 : 0);
    kernels = s.c * taps;
  }
  [[nodiscard]] __m512 load(const float* weight, std::int64_t o) const {
    return _mm512_mask_i32gather_ps(_mm512_setzero_ps(), present, lanes, weight + o * kernels + first, 4);
  }
  void store(float* weight, std::int64_t o, __m512 v) const {
    _mm512_mask_i32scatter_ps(weight + o * kernels + first, present, lanes, v, 4);
  }
  AmxSide side;
  std::int64_t taps;
  __m512i lanes;
  __mmask16 present;
  std::int64_t first;
  std::int64_t kernels;
};

VOX_INLINED inline void store_tile_row(char* strip, std::int64_t row, std::int64_t halves, const PairWords& w) {
  _mm512_store_si512(strip + row * 64, w.high);
  if (halves == 2) { _mm512_store_si512(strip + kAmxTileBytes + row * 64, w.low); }
}

/// One step of a strip of B whose columns are fine: a row is two coarse channels.
inline void pack_spread(const AmxGemm& a, std::int64_t tile, std::int64_t step, const float* weight, char* to) {
  const WeightLanes lanes(a, tile);
  const std::int64_t first = step * kAmxDepth;
  const auto values = [&](std::int64_t o) { return o < a.gemm.coarse.c ? lanes.load(weight, o) : _mm512_setzero_ps(); };
  for (std::int64_t row = 0; row < 16; ++row) {
    store_tile_row(to, row, a.halves, pair_words(values(first + 2 * row), values(first + 2 * row + 1)));
  }
}

/// And whose columns are coarse channels: a row is two neighbouring fine columns.
inline void pack_correlate(const AmxGemm& a, std::int64_t tile, std::int64_t step, const float* weight, char* to) {
  const WeightLanes low_lanes(a, 2 * step);
  const bool both = 2 * step + 1 < a.fine_tiles();
  const WeightLanes high_lanes(a, both ? 2 * step + 1 : 2 * step);
  __m512i high[16];
  __m512i low[16];
  for (std::int64_t i = 0; i < 16; ++i) {
    const std::int64_t o = tile * kAmxColumns + i;
    const bool here = o < a.gemm.coarse.c;
    const Halves first = halves(here ? low_lanes.load(weight, o) : _mm512_setzero_ps());
    const Halves second = halves(here && both ? high_lanes.load(weight, o) : _mm512_setzero_ps());
    high[i] = joined(first.high, second.high);
    low[i] = joined(first.low, second.low);
  }
  transpose16(high);
  transpose16(low);
  for (std::int64_t row = 0; row < 16; ++row) { store_tile_row(to, row, a.halves, {high[row], low[row]}); }
}

/// All strips, [columns][steps][halves] tiles, and the bias [columns*16] after them.
inline void pack_strips(int threads, const AmxGemm& a, const float* weight, const float* bias, float* scratch) {
  parallel_for(threads, a.columns, [&](std::int64_t column) {
    char* const strip = reinterpret_cast<char*>(scratch) + column * a.strip_bytes();
    for (std::int64_t step = 0; step < a.steps; ++step) {
      char* const to = strip + step * a.halves * kAmxTileBytes;
      a.pass == Conv3dPass::spread ? pack_spread(a, column, step, weight, to)
                                   : pack_correlate(a, column, step, weight, to);
    }
  });
  const VolumeShape& out = a.pass == Conv3dPass::spread ? a.gemm.fine : a.gemm.coarse;
  const bool runs = a.pass == Conv3dPass::spread && a.gemm.kernel == 2;
  float* const to = scratch + a.columns * a.strip_bytes() / 4;
  for (std::int64_t i = 0; i < a.columns * kAmxColumns; ++i) {
    const std::int64_t channel = runs ? i / kAmxColumns % out.blocks() * kBlock8 + i % kBlock8 : i;
    to[i] = bias != nullptr && channel < out.c ? bias[channel] : 0.0F;
  }
}

}  // namespace
}  // namespace vox
