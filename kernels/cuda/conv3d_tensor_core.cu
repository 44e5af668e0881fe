#include "kernels/cuda/conv3d_march_launch.cuh"

// 3^3, stride 1, padding 1, in bf16 on tensor cores: [voxels x input channels] x [input channels x output channels] for
// each tap, sums in f32. Warp = 8x8 voxels by 16 output channels for three output slices, as 4 m16 tiles of two rows of
// 8 voxels by 2 n8 tiles: 96 sums a thread. A voxel of a channel block is a cell of 16 bytes, eight in a row are what
// ldmatrix reads without conflict, and a tap is a shift of the address. A fragment of two input rows serves kh = 0 of
// one m16 tile, kh = 2 of the one above and three kd: 9 + 9 ldmatrix.x4 feed 72 products of 16x8x16.
//
// A step is a pair of channel blocks, K = 16, and three kw. Where the number of blocks is odd the last is alone: K is
// then x[w] and x[w+1] of that block, which makes two of the three kw (the second half of the other one is zero). So
// the first layer of a network, 4 channels in one block, takes 18 products of K = 16 and not 27.

namespace vox::gpu {

/// packed[16 output channels][step][kd][kh][kw][half of K][16][8]; kw is 0..2, or the pair of taps where one block is
/// alone, which leaves a third of the chunk unused.
__global__ void pack_tensor_core_kernel(PackArgs<Bf16> a, Bf16* packed, std::int64_t elements) {
  const std::int64_t e = static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (e >= elements) { return; }
  constexpr int kChunk = kChunkBytes / 2;
  const int chunk = static_cast<int>(e / kChunk);
  const int in_chunk = static_cast<int>(e % kChunk);
  const int step = chunk % a.steps;
  const int o = chunk / a.steps * 16 + in_chunk / 8 % 16;
  const int half = in_chunk / 128 % 2;
  const int tap = in_chunk / 256;
  const bool single = step * 16 + 8 >= a.in_channels;
  float weight = 0;
  if (!single) {
    weight = march_weight(a, o, step * 16 + half * 8 + in_chunk % 8, tap);
  } else if (tap < 18 && tap % 2 * 2 + half < 3) {
    weight = march_weight(a, o, step * 16 + in_chunk % 8, tap / 2 * 3 + tap % 2 * 2 + half);
  }
  packed[e] = to_bf16(weight);
}

using Bf16Cell = Pack<Bf16, 8>;

/// The products of one row shift: acc[j][t] += rows 2t.. of the fragments from FIRST on, times the weights of kh.
template <int FIRST>
__device__ __forceinline__ void multiply_row(const std::uint32_t (&x)[5][4], const Bf16Cell* weight, int kd_cells,
                                             const bool (&active)[3], float (&acc)[3][4][2][4]) {
  VOX_UNROLL
  for (int j = 0; j < 3; ++j) {
    if (!active[j]) { continue; }
    std::uint32_t w[4];
    ldmatrix_x4(w, weight + (2 - j) * kd_cells);
    const std::uint32_t low[2] = {w[0], w[1]};
    const std::uint32_t high[2] = {w[2], w[3]};
    VOX_UNROLL
    for (int t = 0; t < 4; ++t) {
      mma_m16n8k16_bf16(acc[j][t][0], x[t + FIRST], low, acc[j][t][0]);
      mma_m16n8k16_bf16(acc[j][t][1], x[t + FIRST], high, acc[j][t][1]);
    }
  }
}

/// One step of channels. `input` is the warp's first voxel with its halo, `weight` the warp's chunk.
template <class Tile>
__device__ __forceinline__ void add_tensor_step(const Bf16Cell* input, const Bf16Cell* weight, bool single, int lane,
                                                const bool (&active)[3], float (&acc)[3][4][2][4]) {
  const int kws = single ? 2 : 3;
  const Bf16Cell* const voxel = input + lane / 8 % 2 * Tile::kPitch + lane % 8;
  const Bf16Cell* const channel = weight + lane / 8 % 2 * 16 + lane / 16 * 8 + lane % 8;
  VOX_NO_UNROLL
  for (int kw = 0; kw < kws; ++kw) {
    const int half = single ? (kw == 0 ? 1 : 0) : Tile::kPlane;  // from the first half of K to the second
    const Bf16Cell* const x = voxel + (single ? 2 * kw : kw) + lane / 16 * half;
    const Bf16Cell* const w = channel + kw * 32;
    std::uint32_t rows[5][4];
    VOX_UNROLL
    for (int t = 0; t < 5; ++t) { ldmatrix_x4(rows[t], x + 2 * t * Tile::kPitch); }
    multiply_row<0>(rows, w, kws * 96, active, acc);
    multiply_row<1>(rows, w + 2 * kws * 32, kws * 96, active, acc);
    VOX_UNROLL
    for (int t = 0; t < 4; ++t) { ldmatrix_x4(rows[t], x + (2 * t + 1) * Tile::kPitch); }
    multiply_row<0>(rows, w + kws * 32, kws * 96, active, acc);
  }
}

/// Writes the warp's voxels of one output slice: 4 lanes have a cell, a warp writes 128 bytes in a row.
template <class Tile>
__device__ __forceinline__ void store_tensor(const MarchArgs<Bf16>& a, int n, int d, int h, int w, int channel,
                                             const float (&acc)[4][2][4]) {
  if (w >= a.w) { return; }
  VOX_UNROLL
  for (int b = 0; b < 2; ++b) {
    const int c = channel + b * 8;
    if (c / 8 >= a.out_blocks) { return; }
    Bf16* const out = a.out.at(n, c / 8) + static_cast<std::int64_t>(d) * (a.h * a.w * 8) + c % 8;
    const bool present[2] = {c < a.out_channels, c + 1 < a.out_channels};
    const float bias[2] = {a.bias != nullptr && present[0] ? a.bias[c] : 0.0F,
                           a.bias != nullptr && present[1] ? a.bias[c + 1] : 0.0F};
    VOX_UNROLL
    for (int row = 0; row < 8; ++row) {
      if (h + row >= a.h) { break; }
      Pack<Bf16, 2> y;
      VOX_UNROLL
      for (int i = 0; i < 2; ++i) { y.v[i] = to_bf16(present[i] ? acc[row / 2][b][row % 2 * 2 + i] + bias[i] : 0.0F); }
      store_pack(out + ((h + row) * a.w + w) * 8, y);
    }
  }
}

template <class TileOf> struct TensorMarch {
  using Tile = TileOf;
  struct Sums {
    float acc[3][4][2][4];  ///< [output slice][m16 tile][n8 tile][of the fragment]
  };

  static __device__ __forceinline__ void copy(Bf16Cell* to, const MarchArgs<Bf16>& a, int n, int slice, int step, int h,
                                              int w) {
    const Bf16* const from = a.in.at(n, 2 * step) + static_cast<std::int64_t>(slice) * (a.h * a.w * 8);
    const int blocks = 2 * step + 1 < a.in_blocks ? 2 : 1;
    copy_tile<Tile::kThreads, false>(to, {blocks, Tile::kHaloRows, Tile::kPitch, Tile::kPitch, Tile::kPlane}, from,
                                     a.in.apart(n, 2 * step), h, w, a.h, a.w);
  }
  static __device__ __forceinline__ void add(const Bf16Cell* input, const unsigned char* weight,
                                             const MarchArgs<Bf16>& a, int step, const bool (&active)[3], Sums& sums) {
    add_tensor_step<Tile>(input, reinterpret_cast<const Bf16Cell*>(weight), 2 * step + 1 >= a.in_blocks,
                          static_cast<int>(threadIdx.x) % 32, active, sums.acc);
  }
  static __device__ __forceinline__ void store(const MarchArgs<Bf16>& a, int n, int d, int h, int w, int channel,
                                               const Sums& sums) {
    const int lane = static_cast<int>(threadIdx.x) % 32;
    store_tensor<Tile>(a, n, d, h, w + lane / 4, channel + lane % 4 * 2, sums.acc[0]);
  }
  static __device__ __forceinline__ void shift(Sums& sums) {
    VOX_UNROLL
    for (int e = 0; e < 32; ++e) {
      const int t = e / 8;
      const int b = e / 4 % 2;
      sums.acc[0][t][b][e % 4] = sums.acc[1][t][b][e % 4];
      sums.acc[1][t][b][e % 4] = sums.acc[2][t][b][e % 4];
      sums.acc[2][t][b][e % 4] = 0;
    }
  }
};

template <class Tile>
__global__ void __launch_bounds__(Tile::kThreads, Tile::kMinBlocks) convolve_tensor_core_kernel(MarchArgs<Bf16> a) {
  march<TensorMarch<Tile>>(a);
}

template <class Tile> void launch_tensor_core(GpuQueue& q, const MarchArgs<Bf16>& a, std::int64_t blocks) {
  VOX_LAUNCH(q, (convolve_tensor_core_kernel<Tile>), static_cast<unsigned>(blocks), Tile::kThreads,
             march_shared_bytes<Tile>(a), a);
}

void convolve_tensor_core(GpuQueue& q, const Convolve<Bf16>& a) {
  constexpr int kPackThreads = 256;
  const Conv3dMarch m = conv3d_march(a.geometry, a.pass, 8);
  const int steps = static_cast<int>(ceil_div(m.in.blocks(), 2));
  const PackArgs<Bf16> pack{.weight = a.weight,
                            .in_channels = static_cast<int>(m.in.c),
                            .out_channels = static_cast<int>(m.out.c),
                            .steps = steps,
                            .spread = a.pass == Conv3dPass::spread ? 1 : 0};
  const std::int64_t elements = m.groups * m.warps_n * steps * (kChunkBytes / 2);
  VOX_LAUNCH(q, pack_tensor_core_kernel, blocks_for(elements, kPackThreads), kPackThreads, 0, pack,
             reinterpret_cast<Bf16*>(a.scratch), elements);
  const MarchArgs<Bf16> args = march_args(a, m, steps);
  if (m.wide) {
    launch_tensor_core<MarchTile<2, 2, 1, 8, 2>>(q, args, m.blocks());
  } else {
    launch_tensor_core<MarchTile<1, 1, 2, 8, 2>>(q, args, m.blocks());
  }
}

}  // namespace vox::gpu
