#pragma once

#include <cstdint>
#include <span>

#include "kernels/base/bf16.h"
#include "kernels/base/math.h"
#include "kernels/base/queue.h"
#include "kernels/base/volume.h"
#include "kernels/conv3d.h"

namespace vox {

/// A weight of a 3^3 convolution, to be laid out as the tensor cores read it in one of its passes.
struct Conv3dPack {
  std::int64_t out_channels = 0;  ///< O
  std::int64_t in_channels = 0;   ///< I
  Conv3dPass pass = Conv3dPass::correlate;
  std::span<const float> weight;  ///< [O,I,3,3,3], rounded to bf16
  std::span<Bf16> packed;         ///< conv3d_packed_elements(), overwritten: what Conv3dArgs::packed wants
};

/// Elements of a packed weight: [ceil(out/32)*2][ceil(in/16)] chunks of 16 x 16 channels x 27 taps, out and in being
/// the channels that the pass writes and gathers.
[[nodiscard]] constexpr std::int64_t conv3d_packed_elements(std::int64_t out_channels, std::int64_t in_channels,
                                                            Conv3dPass pass) {
  const std::int64_t out = pass == Conv3dPass::spread ? in_channels : out_channels;
  const std::int64_t in = pass == Conv3dPass::spread ? out_channels : in_channels;
  return ceil_div(out, 32) * 32 * ceil_div(in, 16) * 16 * 27;
}

/// Packs all of them, by one launch for every 64. The list is host memory, the values are the device's.
void conv3d_pack(CudaQueue&, std::span<const Conv3dPack>);
void conv3d_pack(SimtQueue&, std::span<const Conv3dPack>);
inline void conv3d_pack(DryQueue&, std::span<const Conv3dPack>) {}

}  // namespace vox
