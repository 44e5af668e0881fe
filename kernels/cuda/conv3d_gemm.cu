#include "kernels/cuda/conv3d_gemm.cuh"

#include <type_traits>

// Matrix products of side-by-side windows: 2^3 with stride 2, which is how a U-Net goes up, and 1^3, its head. No voxel
// is read twice by a tap, so nothing is staged in shared memory: operands go from global memory to registers.
//
// f32, f64: thread = 4 (f64: 2) coarse voxels by 8 channels, neighbouring threads neighbouring voxels; the weights have
// one address in a warp. bf16: warp = 64 coarse voxels by 32 channels on tensor cores, 4 m16 by 4 n8 tiles; a fragment
// of voxels is four loads of 4 bytes, 128 bytes in a row for 8 lanes by 4, and the weights lie as fragments.

namespace vox::gpu {

inline constexpr int kGemmThreads = 128;

template <class T> inline constexpr int kGemmVoxels = sizeof(T) == 8 ? 2 : 4;  ///< of a thread

/// packed[tile][chunk][8 in][8 out]
template <class T>
__global__ void pack_gemm_kernel(GemmArgs<T> a, const Acc<T>* weight, Acc<T>* packed, std::int64_t elements) {
  const std::int64_t e = static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (e >= elements) { return; }
  const std::int64_t row = e / 64;
  packed[e] = gemm_weight(a, weight, static_cast<int>(row % a.chunks), static_cast<int>(e / 8 % 8),
                          static_cast<int>(row / a.chunks), static_cast<int>(e % 8));
}

/// acc[v][o] += the eight channels of a chunk at each voxel, times the weights.
template <class T, class A, int V>
__device__ __forceinline__ void add_chunk(const T* chunk, const int (&in)[V], const A* weight, A (&acc)[V][8]) {
  Pack<T, 8> x[V];
  VOX_UNROLL
  for (int v = 0; v < V; ++v) { x[v] = load_pack<8>(chunk + static_cast<std::int64_t>(in[v]) * 8); }
  VOX_UNROLL
  for (int i = 0; i < 8; ++i) {
    const Pack<A, 8> w = load_pack<8>(weight + i * 8);
    VOX_UNROLL
    for (int v = 0; v < V; ++v) {
      VOX_UNROLL
      for (int o = 0; o < 8; ++o) { acc[v][o] += load(x[v].v[i]) * w.v[o]; }
    }
  }
}

template <class T> __global__ void __launch_bounds__(kGemmThreads, 2) convolve_gemm_kernel(GemmArgs<T> a) {
  using A = Acc<T>;
  constexpr int kVoxels = kGemmVoxels<T>;
  const int part = static_cast<int>(blockIdx.x % a.parts);
  const int voxel_block = static_cast<int>(blockIdx.x / a.parts % a.voxel_blocks);
  const std::int64_t n = blockIdx.x / a.parts / a.voxel_blocks;
  const int coarse = a.d * a.h * a.w;
  const std::int64_t fine = static_cast<std::int64_t>(coarse) * a.kernel * a.kernel * a.kernel;
  int in[kVoxels];
  int out[kVoxels];
  bool there[kVoxels];
  VOX_UNROLL
  for (int v = 0; v < kVoxels; ++v) {
    const int voxel = (voxel_block * kVoxels + v) * kGemmThreads + static_cast<int>(threadIdx.x);
    there[v] = voxel < coarse;
    const int at = there[v] ? voxel : 0;  // reads something that is there, and stores nothing
    in[v] = a.spread != 0 ? at : fine_voxel(at, a.kernel, a.h, a.w);
    out[v] = a.spread != 0 ? fine_voxel(at, a.kernel, a.h, a.w) : at;
  }
  const T* const x = a.in + n * a.in_blocks * (a.spread != 0 ? coarse : fine) * 8;
  T* const y = a.out + n * a.out_blocks * (a.spread != 0 ? fine : coarse) * 8;
  const int last = min(a.tiles, (part + 1) * a.tiles_per_part);
  VOX_NO_UNROLL
  for (int t = part * a.tiles_per_part; t < last; ++t) {
    A acc[kVoxels][8] = {};
    const A* weight = static_cast<const A*>(a.packed) + static_cast<std::int64_t>(t) * a.chunks * 64;
    VOX_NO_UNROLL
    for (int chunk = 0; chunk < a.chunks; ++chunk, weight += 64) {
      add_chunk(x + chunk_offset(a, chunk) * 8, in, weight, acc);
    }
    const GemmTile tile = gemm_tile(a, t);
    VOX_UNROLL
    for (int v = 0; v < kVoxels; ++v) {
      Pack<T, 8> sum;
      VOX_UNROLL
      for (int o = 0; o < 8; ++o) {
        const bool present = tile.block * 8 + o < a.out_channels;
        const A bias = a.bias != nullptr && present ? a.bias[tile.block * 8 + o] : A{0};
        sum.v[o] = store<T>(present ? acc[v][o] + bias : A{0});
      }
      if (there[v]) { store_pack(y + (tile_offset(a, tile) + out[v]) * 8, sum); }
    }
  }
}

/// packed[pair of tiles][pair of chunks][lane][4 registers]: the fragments of n8 tiles 2p and 2p+1, K = two chunks.
__global__ void pack_gemm_mma_kernel(GemmArgs<Bf16> a, const float* weight, Bf16* packed, std::int64_t elements) {
  const std::int64_t e = static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (e >= elements) { return; }
  const int steps = (a.chunks + 1) / 2;
  const int lane = static_cast<int>(e / 8 % 32);
  const int reg = static_cast<int>(e / 2 % 4);
  const int step = static_cast<int>(e / 256 % steps);
  const int pair = static_cast<int>(e / 256 / steps);
  packed[e] = to_bf16(
      gemm_weight(a, weight, step * 2 + reg % 2, lane % 4 * 2 + static_cast<int>(e % 2), pair * 2 + reg / 2, lane / 4));
}

/// A fragment's 4 bytes of a voxel, or zero.
__device__ __forceinline__ std::uint32_t load_pair(const Bf16* p, bool there) {
  return there ? *reinterpret_cast<const std::uint32_t*>(p) : 0U;
}

__global__ void __launch_bounds__(kGemmThreads, 3) convolve_gemm_mma_kernel(GemmArgs<Bf16> a) {
  const int part = static_cast<int>(blockIdx.x % a.parts);
  const int voxel_block = static_cast<int>(blockIdx.x / a.parts % a.voxel_blocks);
  const std::int64_t n = blockIdx.x / a.parts / a.voxel_blocks;
  const int coarse = a.d * a.h * a.w;
  const std::int64_t fine = static_cast<std::int64_t>(coarse) * a.kernel * a.kernel * a.kernel;
  const int lane = static_cast<int>(threadIdx.x) % 32;
  const int first = (voxel_block * 4 + static_cast<int>(threadIdx.x) / 32) * 64 + lane / 4;
  int at[8];  // element of the fine side, of voxel first + 8*r
  VOX_UNROLL
  for (int r = 0; r < 8; ++r) { at[r] = fine_voxel(min(first + 8 * r, coarse - 1), a.kernel, a.h, a.w) * 8; }
  const Bf16* const x = a.in + n * a.in_blocks * (a.spread != 0 ? coarse : fine) * 8 + lane % 4 * 2;
  Bf16* const y = a.out + n * a.out_blocks * (a.spread != 0 ? fine : coarse) * 8 + lane % 4 * 2;
  const int steps = (a.chunks + 1) / 2;
  const int last = min(a.tiles, (part + 1) * a.tiles_per_part);
  VOX_NO_UNROLL
  for (int t = part * a.tiles_per_part; t < last; t += 4) {
    float acc[4][4][4] = {};
    VOX_NO_UNROLL
    for (int step = 0; step < steps; ++step) {
      const bool both = 2 * step + 1 < a.chunks;
      const Bf16* const half[2] = {x + chunk_offset(a, 2 * step) * 8,
                                   x + chunk_offset(a, 2 * step + (both ? 1 : 0)) * 8};
      std::uint32_t v[4][4];
      VOX_UNROLL
      for (int r = 0; r < 8; ++r) {
        const bool there = first + 8 * r < coarse;
        const int from = a.spread != 0 ? (first + 8 * r) * 8 : at[r];
        v[r / 2][r % 2] = load_pair(half[0] + from, there);
        v[r / 2][r % 2 + 2] = load_pair(half[1] + from, there && both);
      }
      VOX_UNROLL
      for (int p = 0; p < 2; ++p) {
        const std::int64_t fragment = static_cast<std::int64_t>(t / 2 + p) * steps + step;
        const auto w = load_pack<4>(static_cast<const std::uint32_t*>(a.packed) + fragment * 128 + lane * 4);
        const std::uint32_t low[2] = {w.v[0], w.v[1]};
        const std::uint32_t high[2] = {w.v[2], w.v[3]};
        VOX_UNROLL
        for (int m = 0; m < 4; ++m) {
          mma_m16n8k16_bf16(acc[m][2 * p], v[m], low, acc[m][2 * p]);
          mma_m16n8k16_bf16(acc[m][2 * p + 1], v[m], high, acc[m][2 * p + 1]);
        }
      }
    }
    VOX_UNROLL
    for (int j = 0; j < 4; ++j) {
      if (t + j >= a.tiles) { continue; }
      const GemmTile tile = gemm_tile(a, t + j);
      const int c = tile.block * 8 + lane % 4 * 2;
      const bool present[2] = {c < a.out_channels, c + 1 < a.out_channels};
      const float bias[2] = {a.bias != nullptr && present[0] ? a.bias[c] : 0.0F,
                             a.bias != nullptr && present[1] ? a.bias[c + 1] : 0.0F};
      Bf16* const to = y + tile_offset(a, tile) * 8;
      VOX_UNROLL
      for (int r = 0; r < 8; ++r) {
        Pack<Bf16, 2> sum;
        VOX_UNROLL
        for (int i = 0; i < 2; ++i) { sum.v[i] = to_bf16(present[i] ? acc[r / 2][j][r % 2 * 2 + i] + bias[i] : 0.0F); }
        if (first + 8 * r < coarse) { store_pack(to + (a.spread != 0 ? at[r] : (first + 8 * r) * 8), sum); }
      }
    }
  }
}

template <class T> void convolve_gemm(GpuQueue& q, const Convolve<T>& a) {
  constexpr bool kMma = std::is_same_v<T, Bf16>;
  constexpr int kPackThreads = 256;
  constexpr std::int64_t kVoxels = kMma ? 256 : kGemmThreads * kGemmVoxels<T>;
  const Conv3dGemm m = conv3d_gemm(a.geometry, a.pass);
  const VolumeShape& coarse = a.geometry.y;
  const std::int64_t voxel_blocks = ceil_div(coarse.voxels(), kVoxels);
  const std::int64_t quads = ceil_div(m.tiles, 4);
  const std::int64_t quads_per_part = ceil_div(quads, ceil_div(kWantedBlocks, coarse.n * voxel_blocks));
  const GemmArgs<T> args{.in = a.in.first,
                         .packed = a.scratch,
                         .bias = a.bias,
                         .out = a.out.first,
                         .kernel = static_cast<int>(a.geometry.kernel),
                         .spread = a.pass == Conv3dPass::spread ? 1 : 0,
                         .d = static_cast<int>(coarse.d),
                         .h = static_cast<int>(coarse.h),
                         .w = static_cast<int>(coarse.w),
                         .in_blocks = static_cast<int>(m.in.blocks()),
                         .out_blocks = static_cast<int>(m.out.blocks()),
                         .in_channels = static_cast<int>(m.in.c),
                         .out_channels = static_cast<int>(m.out.c),
                         .chunks = static_cast<int>(m.chunks),
                         .tiles = static_cast<int>(m.tiles),
                         .parts = static_cast<int>(ceil_div(quads, quads_per_part)),
                         .tiles_per_part = static_cast<int>(quads_per_part * 4),
                         .voxel_blocks = static_cast<int>(voxel_blocks)};
  const auto blocks = static_cast<unsigned>(coarse.n * voxel_blocks * args.parts);
  if constexpr (kMma) {
    const std::int64_t elements = m.packed_elements();
    VOX_LAUNCH(q, pack_gemm_mma_kernel, blocks_for(elements, kPackThreads), kPackThreads, 0, args, a.weight,
               reinterpret_cast<Bf16*>(a.scratch), elements);
    VOX_LAUNCH(q, convolve_gemm_mma_kernel, blocks, kGemmThreads, 0, args);
  } else {
    const std::int64_t elements = m.chunks * m.tiles * 64;
    VOX_LAUNCH(q, (pack_gemm_kernel<T>), blocks_for(elements, kPackThreads), kPackThreads, 0, args, a.weight, a.scratch,
               elements);
    VOX_LAUNCH(q, (convolve_gemm_kernel<T>), blocks, kGemmThreads, 0, args);
  }
}

template void convolve_gemm(GpuQueue&, const Convolve<float>&);
template void convolve_gemm(GpuQueue&, const Convolve<double>&);
template void convolve_gemm(GpuQueue&, const Convolve<Bf16>&);

}  // namespace vox::gpu
