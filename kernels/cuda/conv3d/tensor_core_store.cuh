#pragma once

#include "kernels/cuda/conv3d/march_moments.cuh"

/// What the march on tensor cores (tensor_core.cu) makes of the sums of an output slice, acc[m16 tile][n8 tile][of the
/// fragment]: a lane has two neighbouring channels of each n8 tile, at its column lane / 4 in eight rows.
namespace vox::gpu {

/// Adds the bias; padding channels are zero whatever the sums say. `channel` is the lane's first of the block b.
__device__ __forceinline__ void finish(const MarchArgs<Bf16>& a, int b, int channel, float (&acc)[4][2][4]) {
  VOX_UNROLL
  for (int i = 0; i < 2; ++i) {
    const bool present = channel + i < a.out_channels;
    const float bias = a.bias != nullptr && present ? a.bias[channel + i] : 0.0F;
    VOX_UNROLL
    for (int row = 0; row < 8; ++row) {
      float& sum = acc[row / 2][b][row % 2 * 2 + i];
      sum = present ? sum + bias : 0.0F;
    }
  }
}

/// Adds the distances of two channels' values from `about`, and their squares, to [channel][2] of sums.
__device__ __forceinline__ void add_moments(std::uint32_t pair, const Pack<float, 2>& about, float* sums) {
  const float values[2] = {std::bit_cast<float>(pair << 16U), std::bit_cast<float>(pair & 0xFFFF0000U)};
  VOX_UNROLL
  for (int i = 0; i < 2; ++i) {
    const float distance = values[i] - about.v[i];
    sums[2 * i] += distance;
    sums[2 * i + 1] += distance * distance;
  }
}

/// Writes the warp's voxels of one output slice: 4 lanes have a cell, a warp writes 128 bytes in a row. MOMENTS: adds
/// what was written to the lane's sum.
template <class Tile, bool MOMENTS>
__device__ __forceinline__ void store_tensor(const MarchArgs<Bf16>& a, const MarchPlace& at, int d,
                                             const MarchWarp<Bf16>& my, float (&acc)[4][2][4], float& moment) {
  const unsigned lane = threadIdx.x % 32;
  const bool inside = my.w + static_cast<int>(lane / 4) < a.w;
  if (!MOMENTS && !inside) { return; }
  const int rows = inside ? a.h - my.h : 0;
  const std::int64_t offset = static_cast<std::int64_t>(d) * (a.h * a.w * 8) + lane / 4 * 8 + lane % 4 * 2;
  float sums[8] = {};  // [n8 tile][channel][of values, of squares]
  VOX_UNROLL
  for (int b = 0; b < 2; ++b) {
    if (my.out[b] == nullptr) { break; }
    const int channel = my.channel + b * 8 + static_cast<int>(lane % 4) * 2;
    if (a.bias != nullptr || channel + 1 >= a.out_channels) { finish(a, b, channel, acc); }
    std::uint32_t words[8];
    const auto each_row = [](const auto& body) {
      VOX_UNROLL
      for (int row = 0; row < 8; ++row) { body(row); }
    };
    if (a.relu != 0) {
      each_row([&](int row) {
        words[row] = bf16x2_rn_relu(acc[row / 2][b][row % 2 * 2], acc[row / 2][b][row % 2 * 2 + 1]);
      });
    } else {
      each_row(
          [&](int row) { words[row] = bf16x2_rn(acc[row / 2][b][row % 2 * 2], acc[row / 2][b][row % 2 * 2 + 1]); });
    }
    Pack<float, 2> about{};
    if constexpr (MOMENTS) {
      float* const place = about_of_warp<Tile>(static_cast<int>(threadIdx.x / 32)) + b * 8 + lane % 4 * 2;
      if (d == at.first) {
        if (lane < 4) {
          place[0] = std::bit_cast<float>(words[0] << 16U);
          place[1] = std::bit_cast<float>(words[0] & 0xFFFF0000U);
        }
        __syncwarp();
      }
      about = load_pack<2>(place);
    }
    Bf16* const out = my.out[b] + offset;
    const auto write = [&](int row) {
      *reinterpret_cast<std::uint32_t*>(out + static_cast<std::int64_t>(row) * (a.w * 8)) = words[row];
      if constexpr (MOMENTS) { add_moments(words[row], about, sums + b * 4); }
    };
    if (rows >= 8) {
      each_row(write);
    } else {
      each_row([&](int row) {
        if (row < rows) { write(row); }
      });
    }
  }
  if constexpr (MOMENTS) { moment += sum_of_eight<4>(sums); }
}

/// The same to the share's place in scratch.
__device__ __forceinline__ void store_partial(const MarchArgs<Bf16>& a, const MarchPlace& at, int d,
                                              const MarchWarp<Bf16>& my, const float (&acc)[4][2][4]) {
  const unsigned lane = threadIdx.x % 32;
  const int w = my.w + static_cast<int>(lane / 4);
  if (w >= a.w) { return; }
  const int rows = a.h - my.h;
  VOX_UNROLL
  for (int b = 0; b < 2; ++b) {
    if (my.out[b] == nullptr) { return; }
    float* to = march_partial(a, at, d, my.channel / 8 + b) + (my.h * a.w + w) * 8 + lane % 4 * 2;
    VOX_UNROLL
    for (int row = 0; row < 8; ++row) {
      if (row < rows) {
        store_global_8(to, {std::bit_cast<std::uint32_t>(acc[row / 2][b][row % 2 * 2]),
                            std::bit_cast<std::uint32_t>(acc[row / 2][b][row % 2 * 2 + 1])});
      }
      to += a.w * 8;
    }
  }
}

}  // namespace vox::gpu
