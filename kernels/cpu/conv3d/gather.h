#pragma once

#include <algorithm>
#include <cstring>

#include "kernels/base/bf16.h"
#include "kernels/plan/tiled.h"

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
inline ConvBlock conv_block(const Conv3dTiling& t, std::int64_t i) {
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
template <class T>
void gather(const Conv3dTiling& t, const ConvBlock& at, std::int64_t block, const VolumeParts<const T>& x, Acc<T>* to) {
  const T* const from = x.at(at.n, block);
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

/// Walks over the memory the next gather will read, a few cache lines at a time, so that they are on their way while
/// the present block is multiplied.
class Ahead {
 public:
  Ahead() = default;
  template <class T>
  Ahead(const Conv3dTiling& t, const ConvBlock& at, std::int64_t first_block, std::int64_t blocks,
        const VolumeParts<const T>& x)
      : blocks_(blocks) {
    const auto [first_d, last_d] = inside(t, at.d_begin, at.d_end, t.in.d);
    const auto [first_h, last_h] = inside(t, at.h_begin, at.h_end, t.in.h);
    constexpr auto kVoxelBytes = kBlock8 * static_cast<std::int64_t>(sizeof(T));
    const std::int64_t first_voxel = (first_d * t.in.h + first_h) * t.in.w * kBlock8;
    at_ = reinterpret_cast<const char*>(x.at(at.n, first_block) + first_voxel);
    if (!x.together(first_block, blocks)) {
      second_ = x.first_blocks - first_block;
      at_second_ = reinterpret_cast<const char*>(x.at(at.n, x.first_blocks) + first_voxel);
    }
    planes_ = std::max<std::int64_t>(last_d - first_d, 0);
    plane_bytes_ = t.in.h * t.in.w * kVoxelBytes;
    block_bytes_ = t.in.voxels() * kVoxelBytes;
    plane_lines_ = (std::max<std::int64_t>(last_h - first_h, 0) * t.in.w * kVoxelBytes + kLine - 1) / kLine;
  }

  [[nodiscard]] std::int64_t lines() const { return blocks_ * planes_ * plane_lines_; }
  /// Where the next `lines` lines start; null when all have been fetched.
  [[nodiscard]] const char* take(std::int64_t lines) {
    if (block_ >= blocks_ || planes_ == 0) { return nullptr; }
    const char* const from = at_ + plane_ * plane_bytes_ + line_ * kLine;
    line_ += lines;
    if (line_ >= plane_lines_) {
      line_ = 0;
      if (++plane_ == planes_) {
        plane_ = 0;
        at_ = ++block_ == second_ ? at_second_ : at_ + block_bytes_;
      }
    }
    return from;
  }

 private:
  static constexpr std::int64_t kLine = 64;  // bytes
  struct Range {
    std::int64_t first;
    std::int64_t last;
  };
  static Range inside(const Conv3dTiling& t, std::int64_t begin, std::int64_t end, std::int64_t extent) {
    return {std::max<std::int64_t>(begin * t.in_step + t.delta_min, 0),
            std::min((end - 1) * t.in_step + t.delta_min + t.span, extent)};
  }

  const char* at_ = nullptr;  // of the present block
  const char* at_second_ = nullptr;
  std::int64_t blocks_ = 0;
  std::int64_t planes_ = 0;
  std::int64_t plane_bytes_ = 0;
  std::int64_t block_bytes_ = 0;
  std::int64_t plane_lines_ = 0;
  std::int64_t block_ = 0;
  std::int64_t second_ = -1;  // the block that is the first of a second tensor
  std::int64_t plane_ = 0;
  std::int64_t line_ = 0;
};

}  // namespace
}  // namespace vox
