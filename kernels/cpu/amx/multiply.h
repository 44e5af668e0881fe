#pragma once

#include "kernels/cpu/amx/products.h"
#include "kernels/cpu/amx/tiles.h"

// The loops that form up to four output tiles of conv3d at once.

namespace vox {
namespace {

/// 1 to 4 tiles of voxels by one of channels. Parts and x_low are those of multiply_square(). The fewer tiles are
/// loaded per product the better: a tile of x is loaded once for its products by both halves of a weight.
template <int M, int Parts, class Beside>
VOX_TILE void multiply_column(const Products& p, const char* const* a, const char* b, std::int64_t x_low, const Sums& s,
                              Beside& beside) {
  _tile_loadd(0, s.from, s.from_row);
  if constexpr (M > 1) { _tile_loadd(1, s.from + s.step, s.from_row); }
  if constexpr (M > 2) { _tile_loadd(2, s.from + 2 * s.step, s.from_row); }
  if constexpr (M > 3) { _tile_loadd(3, s.from + 3 * s.step, s.from_row); }
  std::int64_t awake = kAwake;
  for (std::int64_t plane = 0; plane < p.planes; ++plane) {
    const char* const a0 = a[0] + p.a_plane[plane];
    const char* const a1 = a[M > 1 ? 1 : 0] + p.a_plane[plane];
    const char* const a2 = a[M > 2 ? 2 : 0] + p.a_plane[plane];
    const char* const a3 = a[M > 3 ? 3 : 0] + p.a_plane[plane];
    const char* const b0 = b + plane * p.b_plane;
    for (const Product* i = p.all; i != p.all + p.count; i += Parts) {
      _tile_loadd(7, b0 + i->b, 64);
      _tile_loadd(4, a0 + i->a, p.row_bytes);
      _tile_dpbf16ps(0, 4, 7);
      if constexpr (M > 1) {
        _tile_loadd(5, a1 + i->a, p.row_bytes);
        _tile_dpbf16ps(1, 5, 7);
      }
      if constexpr (Parts > 1) {
        _tile_loadd(6, b0 + i->b + kAmxTileBytes, 64);
        _tile_dpbf16ps(0, 4, 6);
        if constexpr (M > 1) { _tile_dpbf16ps(1, 5, 6); }
        beside.step();
      }
      if constexpr (M > 2) {
        _tile_loadd(4, a2 + i->a, p.row_bytes);
        _tile_dpbf16ps(2, 4, 7);
      }
      if constexpr (M > 3) {
        _tile_loadd(5, a3 + i->a, p.row_bytes);
        _tile_dpbf16ps(3, 5, 7);
      }
      if constexpr (Parts > 1 && M > 2) { _tile_dpbf16ps(2, 4, 6); }
      if constexpr (Parts > 1 && M > 3) { _tile_dpbf16ps(3, 5, 6); }
      if constexpr (Parts == 3) {
        beside.step();
        _tile_loadd(4, a0 + i->a + x_low, p.row_bytes);
        _tile_dpbf16ps(0, 4, 7);
        if constexpr (M > 1) {
          _tile_loadd(5, a1 + i->a + x_low, p.row_bytes);
          _tile_dpbf16ps(1, 5, 7);
        }
        if constexpr (M > 2) {
          _tile_loadd(4, a2 + i->a + x_low, p.row_bytes);
          _tile_dpbf16ps(2, 4, 7);
        }
        if constexpr (M > 3) {
          _tile_loadd(5, a3 + i->a + x_low, p.row_bytes);
          _tile_dpbf16ps(3, 5, 7);
        }
      }
      if ((awake -= Parts) <= 0) {
        _tile_stored(7, s.to, 64);
        awake = kAwake;
      }
      beside.step();
    }
  }
  _tile_stored(0, s.to, 64);
  if constexpr (M > 1) { _tile_stored(1, s.to + 256, 64); }
  if constexpr (M > 2) { _tile_stored(2, s.to + 512, 64); }
  if constexpr (M > 3) { _tile_stored(3, s.to + 768, 64); }
}
template <int Parts, class Beside>
void multiply_columns(std::int64_t m, const Products& p, const char* const* a, const char* b, std::int64_t x_low,
                      const Sums& s, Beside& beside) {
  if (m == 1) { return multiply_column<1, Parts>(p, a, b, x_low, s, beside); }
  if (m == 2) { return multiply_column<2, Parts>(p, a, b, x_low, s, beside); }
  if (m == 3) { return multiply_column<3, Parts>(p, a, b, x_low, s, beside); }
  multiply_column<4, Parts>(p, a, b, x_low, s, beside);
}

/// Two tiles of voxels by two of channels; the second tile of channels lies `next` bytes after the first in B, and its
/// sums are loaded `next_from` floats after. Parts: products come in ones, in twos that share A, or in threes, of which
/// the second takes the low halves of x, x_low bytes after the high ones.
template <int Parts, class Beside>
VOX_TILE void multiply_square(const Products& p, const char* const* a, const char* b, std::int64_t next,
                              std::int64_t x_low, const Sums& s, std::int64_t next_from, Beside& beside) {
  _tile_loadd(0, s.from, s.from_row);
  _tile_loadd(1, s.from + s.step, s.from_row);
  _tile_loadd(2, s.from + next_from, s.from_row);
  _tile_loadd(3, s.from + next_from + s.step, s.from_row);
  std::int64_t awake = kAwake;
  for (std::int64_t plane = 0; plane < p.planes; ++plane) {
    const char* const a0 = a[0] + p.a_plane[plane];
    const char* const a1 = a[1] + p.a_plane[plane];
    const char* const b0 = b + plane * p.b_plane;
    const char* const b1 = b0 + next;
    for (const Product* i = p.all; i != p.all + p.count; i += Parts) {
      _tile_loadd(6, b0 + i->b, 64);
      _tile_loadd(7, b1 + i->b, 64);
      if constexpr (Parts == 3) {
        _tile_loadd(4, a0 + i->a + x_low, p.row_bytes);
        _tile_loadd(5, a1 + i->a + x_low, p.row_bytes);
        beside.step();
        _tile_dpbf16ps(0, 4, 6);
        _tile_dpbf16ps(1, 5, 6);
        _tile_dpbf16ps(2, 4, 7);
        _tile_dpbf16ps(3, 5, 7);
      }
      _tile_loadd(4, a0 + i->a, p.row_bytes);
      _tile_loadd(5, a1 + i->a, p.row_bytes);
      beside.step();
      _tile_dpbf16ps(0, 4, 6);
      _tile_dpbf16ps(1, 5, 6);
      _tile_dpbf16ps(2, 4, 7);
      _tile_dpbf16ps(3, 5, 7);
      if constexpr (Parts > 1) {
        _tile_loadd(6, b0 + i->b + kAmxTileBytes, 64);
        _tile_loadd(7, b1 + i->b + kAmxTileBytes, 64);
        beside.step();
        _tile_dpbf16ps(0, 4, 6);
        _tile_dpbf16ps(1, 5, 6);
        _tile_dpbf16ps(2, 4, 7);
        _tile_dpbf16ps(3, 5, 7);
      }
      if ((awake -= Parts) <= 0) {
        _tile_stored(7, s.to, 64);
        awake = kAwake;
      }
    }
  }
  _tile_stored(0, s.to, 64);
  _tile_stored(1, s.to + 256, 64);
  _tile_stored(2, s.to + 512, 64);
  _tile_stored(3, s.to + 768, 64);
}

}  // namespace
}  // namespace vox
