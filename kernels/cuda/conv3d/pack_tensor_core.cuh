#pragma once

#include "kernels/conv3d_pack.h"
#include "kernels/cuda/conv3d/conv3d.cuh"

namespace vox::gpu {

/// The order of a packed weight of 3^3: [16 output channels][step][kd][kh][kw][half of K][16][8], a step being 16 input
/// channels; kw is 0..2, or the pair of taps where a step has one block of channels, which leaves a third of the chunk
/// unused. Spread is a correlation too, with the taps read backwards. Of 2^3 and 1^3: [tile][step][lane][4 registers],
/// fragments of n8 tiles with K = four chunks (gemm.cuh); register r of lane l has channels 2r and 2r+1 of chunk l%4.
inline constexpr int kPackedChunk = 16 * 16 * 27;

/// One of the weights of a launch.
struct PackEntry {
  const float* weight;
  Bf16* packed;
  unsigned first_chunk;  ///< of the launch: the first thread block that packs this weight
  int in_channels;       ///< of the pass
  int out_channels;
  int steps;
  int spread;
  int kernel;  ///< 1, 2 or 3
};

/// Packs this weight alone. groups: of 16 output channels, those that the kernel of a 3^3 convolution reads.
void pack_tensor_core(GpuQueue&, const Conv3dPack&, std::int64_t groups);

}  // namespace vox::gpu
