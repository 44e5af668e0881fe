#pragma once

#include "kernels/conv3d_pack.h"
#include "kernels/cuda/conv3d/conv3d.cuh"

namespace vox::gpu {

/// The order of a packed weight: [16 output channels][step][kd][kh][kw][half of K][16][8], a step being 16 input
/// channels; kw is 0..2, or the pair of taps where a step has one block of channels, which leaves a third of the chunk
/// unused. Spread is a correlation too, with the taps read backwards.
inline constexpr int kPackedChunk = 16 * 16 * 27;

/// One of the weights of a launch.
struct PackEntry {
  const float* weight;
  Bf16* packed;
  unsigned first_chunk;  ///< of the launch: where this weight's chunks begin
  int in_channels;       ///< of the pass
  int out_channels;
  int steps;
  int spread;
};

/// Packs this weight alone. groups: of 16 output channels, those that the kernel reads.
void pack_tensor_core(GpuQueue&, const Conv3dPack&, std::int64_t groups);

}  // namespace vox::gpu
