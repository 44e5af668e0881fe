#pragma once

#include <algorithm>
#include <cstring>

#include "kernels/bf16.h"
#include "kernels/conv3d_plan.h"

namespace vox {
namespace {

/// A block of lattice rows of one case.
struct ConvBlock {
  std::int64_t n;
  std::int64_t d_begin;
  std::int64_t d_end;
  std::int64_t h_begin;
  std::int64_t h_end;
};

/// Block number i, planes innermost: neighbours in time share most of their halo.
ConvBlock conv_block(const Conv3dTiling& t, std::int64_t i) {
  const std::int64_t d = i % t.blocks_d * t.block_d;
  const std::int64_t h = i / t.blocks_d % t.blocks_h * t.block_h;
  return {i / t.blocks_d / t.blocks_h, d, std::min(d + t.block_d, t.lattice_d), h,
          std::min(h + t.block_h, t.lattice_h)};
}

template <class T> void widen(const T* from, std::int64_t count, Acc<T>* to) {
  if constexpr (std::is_same_v<T, Acc<T>>) {
    __builtin_memcpy(to, from, static_cast<std::size_t>(count) * sizeof(T));
  } else {
    for (std::int64_t i = 0; i < count; ++i) { to[i] = load(from[i]); }
  }
}

/// One row of voxels, w = delta_min … of x, zero outside [0,width); voxels a step apart become neighbours.
template <class T> void gather_row(const Conv3dTiling& t, const T* row, Acc<T>* to) {
  const std::int64_t width = t.in.w;
  for (std::int64_t residue = 0; residue < t.in_step; ++residue, to += t.positions * kBlock8) {
    const std::int64_t first = t.delta_min + residue;  // x index of position 0
    const std::int64_t inside = std::clamp<std::int64_t>((-first + t.in_step - 1) / t.in_step, 0, t.positions);
    const std::int64_t outside =
        std::clamp<std::int64_t>((width - first + t.in_step - 1) / t.in_step, inside, t.positions);
    std::fill_n(to, inside * kBlock8, Acc<T>{0});
    if (t.in_step == 1) {
      widen(row + (first + inside) * kBlock8, (outside - inside) * kBlock8, to + inside * kBlock8);
    } else {
      for (std::int64_t p = inside; p < outside; ++p) {
        for (std::int64_t c = 0; c < kBlock8; ++c) {
          to[p * kBlock8 + c] = load(row[(first + p * t.in_step) * kBlock8 + c]);
        }
      }
    }
    std::fill_n(to + outside * kBlock8, (t.positions - outside) * kBlock8, Acc<T>{0});
  }
}

/// The rows a block reads, of one block of channels: [planes][rows][in_step][positions][8].
template <class T> void gather(const Conv3dTiling& t, const ConvBlock& at, std::int64_t block, const T* x, Acc<T>* to) {
  const T* const from = x + t.in.offset(at.n, block, 0);
  const std::int64_t planes = (at.d_end - at.d_begin - 1) * t.in_step + t.span;
  const std::int64_t rows = (at.h_end - at.h_begin - 1) * t.in_step + t.span;
  for (std::int64_t plane = 0; plane < planes; ++plane) {
    const std::int64_t d = at.d_begin * t.in_step + t.delta_min + plane;
    for (std::int64_t row = 0; row < rows; ++row) {
      const std::int64_t h = at.h_begin * t.in_step + t.delta_min + row;
      Acc<T>* const to_row = to + plane * t.plane_elements() + row * t.row_elements();
      if (d < 0 || d >= t.in.d || h < 0 || h >= t.in.h) {
        std::fill_n(to_row, t.row_elements(), Acc<T>{0});
      } else {
        gather_row(t, from + (d * t.in.h + h) * t.in.w * kBlock8, to_row);
      }
    }
  }
}

}  // namespace
}  // namespace vox
