#pragma once

#include <cstdint>

#include "kernels/base/host_device.h"

namespace vox {

/// Channels of one block. A volume [N,C,D,H,W] lies in memory as [N, ceil(C/8), D, H, W, 8]: one voxel of a block is
/// one AVX register of f32 and 16 bytes of bf16. oneDNN calls it nCdhw8c, cuDNN NC/8DHW8. The padding channels of the
/// last block hold zero, and every operator keeps them zero.
inline constexpr std::int64_t kBlock8 = 8;

[[nodiscard]] VOX_HD constexpr std::int64_t channel_blocks(std::int64_t channels) {
  return (channels + kBlock8 - 1) / kBlock8;
}

/// Extents of a batch of volumes and where its elements lie.
struct VolumeShape {
  std::int64_t n = 0;
  std::int64_t c = 0;
  std::int64_t d = 0;
  std::int64_t h = 0;
  std::int64_t w = 0;
  /// Cases of the whole batch that these n are a share of, or 0: they are the batch. What chooses an algorithm, or cuts
  /// a sum where many cases are cut otherwise than few, follows it, so that results do not depend on how the batch is
  /// shared out.
  std::int64_t batch = 0;

  [[nodiscard]] VOX_HD constexpr std::int64_t whole() const { return batch > 0 ? batch : n; }
  [[nodiscard]] VOX_HD constexpr std::int64_t voxels() const { return d * h * w; }          ///< of one channel
  [[nodiscard]] VOX_HD constexpr std::int64_t blocks() const { return channel_blocks(c); }  ///< of one case
  [[nodiscard]] VOX_HD constexpr std::int64_t count() const { return n * c * voxels(); }    ///< logical elements
  [[nodiscard]] VOX_HD constexpr std::int64_t padded_count() const { return n * blocks() * voxels() * kBlock8; }
  /// First element of a block at a voxel; the block's eight channels follow.
  [[nodiscard]] VOX_HD constexpr std::int64_t offset(std::int64_t in, std::int64_t block, std::int64_t voxel) const {
    return ((in * blocks() + block) * voxels() + voxel) * kBlock8;
  }
  /// One element.
  [[nodiscard]] VOX_HD constexpr std::int64_t at(std::int64_t in, std::int64_t ic, std::int64_t voxel) const {
    return offset(in, ic / kBlock8, voxel) + ic % kBlock8;
  }
  /// Channels of a block that exist: 8, or fewer in the last one.
  [[nodiscard]] VOX_HD constexpr std::int64_t channels_in(std::int64_t block) const {
    return c - block * kBlock8 < kBlock8 ? c - block * kBlock8 : kBlock8;
  }

  friend bool operator==(const VolumeShape&, const VolumeShape&) = default;
};

}  // namespace vox
