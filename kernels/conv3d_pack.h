#pragma once

#include <cstdint>
#include <span>

#include "kernels/base/bf16.h"
#include "kernels/base/math.h"
#include "kernels/base/queue.h"
#include "kernels/base/volume.h"
#include "kernels/conv3d.h"

namespace vox {

/// A weight of a 3^3 convolution, or of a 2^3 or 1^3 one whose windows lie side by side, to be laid out as the tensor
/// cores read it in one of its passes.
struct Conv3dPack {
  std::int64_t out_channels = 0;  ///< O
  std::int64_t in_channels = 0;   ///< I
  std::int64_t kernel = 3;        ///< K: 1, 2 or 3
  Conv3dPass pass = Conv3dPass::correlate;
  std::span<const float> weight;  ///< [O,I,K,K,K], rounded to bf16
  std::span<Bf16> packed;         ///< conv3d_packed_elements(), overwritten: what Conv3dArgs::packed wants
};

/// Elements of a packed weight: of 3^3 [ceil(out/32)*2][ceil(in/16)] chunks of 16 x 16 channels x 27 taps, out and in
/// being the channels that the pass writes and gathers; of the others [tiles][steps] of 256, a tile being eight
/// channels of a voxel that is written, a step 32 of those that are gathered for it.
[[nodiscard]] constexpr std::int64_t conv3d_packed_elements(std::int64_t out_channels, std::int64_t in_channels,
                                                            std::int64_t kernel, Conv3dPass pass) {
  const bool spread = pass == Conv3dPass::spread;
  const std::int64_t out = spread ? in_channels : out_channels;
  const std::int64_t in = spread ? out_channels : in_channels;
  if (kernel < 3) {
    const std::int64_t taps = kernel * kernel * kernel;
    const std::int64_t tiles = channel_blocks(out) * (spread ? taps : 1);
    const std::int64_t chunks = channel_blocks(in) * (spread ? 1 : taps);
    return ceil_div(tiles, 4) * 4 * ceil_div(chunks, 4) * 256;
  }
  return ceil_div(out, 32) * 32 * ceil_div(in, 16) * 16 * 27;
}

/// Packs all of them, by one launch for every 64. The list is host memory, the values are the device's.
void conv3d_pack(CudaQueue&, std::span<const Conv3dPack>);
void conv3d_pack(SimtQueue&, std::span<const Conv3dPack>);
inline void conv3d_pack(DryQueue&, std::span<const Conv3dPack>) {}

}  // namespace vox
