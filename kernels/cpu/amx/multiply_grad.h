#pragma once

#include "kernels/cpu/amx/tiles.h"

// The loops that add up to four tiles of a weight gradient at once: dy^T times x over a stretch of staged pairs of
// positions.

namespace vox {
namespace {

/// Where one tile of sums reads x: in the plane kd after the first, at this place behind the plane's first position.
struct GradTap {
  std::int64_t kd;
  std::int64_t at;
};

/// What the tiles of a stretch have in common. In bf16, but for row_bytes.
struct GradStretch {
  const Bf16* x;
  std::int64_t x_low;  ///< from the high halves to the low ones
  std::int64_t dy_low;
  std::int64_t row_bytes;  ///< of dy
  std::int64_t first = 0;  ///< sixteens of pairs of positions
  std::int64_t last = 0;
  std::int64_t planes = 1;
  std::int64_t x_at[kAmxGradTogether + 2] = {};  ///< where their planes lie
  std::int64_t dy_at[kAmxGradTogether] = {};
};

/// 16 output channels by N taps, whose tiles of sums follow one another. Four tiles hide the multiplier's latency.
template <int Parts, int N, class Beside>
VOX_TILE void add_row(const GradStretch& s, const GradTap* taps, const Bf16* dy_all, float* sums, Beside& beside) {
  constexpr std::int64_t kTile = kAmxRows * kAmxColumns;
  _tile_loadd(0, sums, 64);
  if constexpr (N > 1) { _tile_loadd(1, sums + kTile, 64); }
  if constexpr (N > 2) { _tile_loadd(2, sums + 2 * kTile, 64); }
  if constexpr (N > 3) { _tile_loadd(3, sums + 3 * kTile, 64); }
  for (std::int64_t i = 0; i < s.planes; ++i) {
    const Bf16* const dy = dy_all + s.dy_at[i];
    const Bf16* const x0 = s.x + s.x_at[taps[0].kd + i] + taps[0].at;
    const Bf16* const x1 = N > 1 ? s.x + s.x_at[taps[N > 1 ? 1 : 0].kd + i] + taps[N > 1 ? 1 : 0].at : x0;
    const Bf16* const x2 = N > 2 ? s.x + s.x_at[taps[N > 2 ? 2 : 0].kd + i] + taps[N > 2 ? 2 : 0].at : x0;
    const Bf16* const x3 = N > 3 ? s.x + s.x_at[taps[N > 3 ? 3 : 0].kd + i] + taps[N > 3 ? 3 : 0].at : x0;
    for (std::int64_t k = s.first; k < s.last; ++k) {
      const std::int64_t p = k * kAmxDepth;
      const std::int64_t at = p * kAmxColumns;
      _tile_loadd(4, dy + p, s.row_bytes);
      _tile_loadd(6, x0 + at, 64);
      if constexpr (N > 1) { _tile_loadd(7, x1 + at, 64); }
      beside.step();
      _tile_dpbf16ps(0, 4, 6);
      if constexpr (N > 1) { _tile_dpbf16ps(1, 4, 7); }
      if constexpr (Parts == 2) {
        _tile_loadd(5, dy + s.dy_low + p, s.row_bytes);
        _tile_dpbf16ps(0, 5, 6);
        if constexpr (N > 1) { _tile_dpbf16ps(1, 5, 7); }
      }
      if constexpr (N > 2) {
        _tile_loadd(6, x2 + at, 64);
        if constexpr (N > 3) { _tile_loadd(7, x3 + at, 64); }
        beside.step();
        _tile_dpbf16ps(2, 4, 6);
        if constexpr (N > 3) { _tile_dpbf16ps(3, 4, 7); }
        if constexpr (Parts == 2) {
          _tile_dpbf16ps(2, 5, 6);
          if constexpr (N > 3) { _tile_dpbf16ps(3, 5, 7); }
        }
      }
      if constexpr (Parts == 2) {
        _tile_loadd(6, x0 + s.x_low + at, 64);
        if constexpr (N > 1) { _tile_loadd(7, x1 + s.x_low + at, 64); }
        beside.step();
        _tile_dpbf16ps(0, 4, 6);
        if constexpr (N > 1) { _tile_dpbf16ps(1, 4, 7); }
        if constexpr (N > 2) {
          _tile_loadd(6, x2 + s.x_low + at, 64);
          _tile_dpbf16ps(2, 4, 6);
        }
        if constexpr (N > 3) {
          _tile_loadd(7, x3 + s.x_low + at, 64);
          _tile_dpbf16ps(3, 4, 7);
        }
      }
    }
  }
  _tile_stored(0, sums, 64);
  if constexpr (N > 1) { _tile_stored(1, sums + kTile, 64); }
  if constexpr (N > 2) { _tile_stored(2, sums + 2 * kTile, 64); }
  if constexpr (N > 3) { _tile_stored(3, sums + 3 * kTile, 64); }
}

/// Two tiles of output channels, `dy_row` and `sum_row` apart, by two taps.
template <int Parts, class Beside>
VOX_TILE void add_square(const GradStretch& s, const GradTap* taps, const Bf16* dy_all, std::int64_t dy_row,
                         float* sums, std::int64_t sum_row, Beside& beside) {
  constexpr std::int64_t kTile = kAmxRows * kAmxColumns;
  _tile_loadd(0, sums, 64);
  _tile_loadd(1, sums + kTile, 64);
  _tile_loadd(2, sums + sum_row, 64);
  _tile_loadd(3, sums + sum_row + kTile, 64);
  for (std::int64_t i = 0; i < s.planes; ++i) {
    const Bf16* const dy0 = dy_all + s.dy_at[i];
    const Bf16* const dy1 = dy0 + dy_row;
    const Bf16* const x0 = s.x + s.x_at[taps[0].kd + i] + taps[0].at;
    const Bf16* const x1 = s.x + s.x_at[taps[1].kd + i] + taps[1].at;
    for (std::int64_t k = s.first; k < s.last; ++k) {
      const std::int64_t p = k * kAmxDepth;
      const std::int64_t at = p * kAmxColumns;
      _tile_loadd(6, x0 + at, 64);
      _tile_loadd(7, x1 + at, 64);
      if constexpr (Parts == 2) {
        _tile_loadd(4, dy0 + s.dy_low + p, s.row_bytes);
        _tile_loadd(5, dy1 + s.dy_low + p, s.row_bytes);
        beside.step();
        _tile_dpbf16ps(0, 4, 6);
        _tile_dpbf16ps(1, 4, 7);
        _tile_dpbf16ps(2, 5, 6);
        _tile_dpbf16ps(3, 5, 7);
      }
      _tile_loadd(4, dy0 + p, s.row_bytes);
      _tile_loadd(5, dy1 + p, s.row_bytes);
      beside.step();
      _tile_dpbf16ps(0, 4, 6);
      _tile_dpbf16ps(1, 4, 7);
      _tile_dpbf16ps(2, 5, 6);
      _tile_dpbf16ps(3, 5, 7);
      if constexpr (Parts == 2) {
        _tile_loadd(6, x0 + s.x_low + at, 64);
        _tile_loadd(7, x1 + s.x_low + at, 64);
        beside.step();
        _tile_dpbf16ps(0, 4, 6);
        _tile_dpbf16ps(1, 4, 7);
        _tile_dpbf16ps(2, 5, 6);
        _tile_dpbf16ps(3, 5, 7);
      }
    }
  }
  _tile_stored(0, sums, 64);
  _tile_stored(1, sums + kTile, 64);
  _tile_stored(2, sums + sum_row, 64);
  _tile_stored(3, sums + sum_row + kTile, 64);
}

}  // namespace
}  // namespace vox
