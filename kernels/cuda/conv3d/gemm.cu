#include "kernels/cuda/conv3d/gemm.cuh"

#include <type_traits>

#include "kernels/cuda/conv3d/pack_tensor_core.cuh"

// Matrix products of side-by-side windows: 2^3 with stride 2, which is how a U-Net goes up, and 1^3, its head. No voxel
// is read twice by a tap, so nothing is staged in shared memory: operands go from global memory to registers.
//
// f32, f64: thread = 4 (f64: 2) coarse voxels by 8 channels, neighbouring threads neighbouring voxels; the weights have
// one address in a warp. bf16: warp = 64 coarse voxels by TILES blocks of channels on tensor cores; K = 32 are four
// chunks, and a lane's two fragments of a voxel are the 16 bytes of one of them: the weights lie as fragments in that
// order of K. The results go through shared memory, so that a lane stores 16 bytes and its neighbour the next 16.

namespace vox::gpu {

inline constexpr int kGemmThreads = 128;

template <class T> inline constexpr int kGemmVoxels = sizeof(T) == 8 ? 2 : 4;  ///< of a thread

/// packed[tile][chunk][8 in][8 out]
template <class T>
__global__ void pack_gemm_kernel(GemmArgs<T> a, const Acc<T>* weight, Acc<T>* packed, std::int64_t elements) {
  wait_for_launches_before();
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
  wait_for_launches_before();
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

inline constexpr int kMmaVoxels = 64;  ///< of a warp

/// Where a warp's 64 coarse voxels lie: of the fine side one is found by a lane and handed around.
template <int KERNEL> struct GemmVoxels {
  int first;
  int last;  ///< of the case
  int of_lane[2];

  __device__ __forceinline__ GemmVoxels(const GemmArgs<Bf16>& a, int first_, int lane)
      : first(first_), last(a.d * a.h * a.w - 1) {
    VOX_UNROLL
    for (int i = 0; i < 2; ++i) { of_lane[i] = fine_voxel(min(first + i * 32 + lane, last), KERNEL, a.h, a.w); }
  }
  /// Element of voxel first + i, or of the last one.
  [[nodiscard]] __device__ __forceinline__ int fine(int half, int i) const {
    return __shfl_sync(0xFFFFFFFFU, of_lane[half], i) * 8;
  }
  [[nodiscard]] __device__ __forceinline__ int coarse(int i) const { return min(first + i, last) * 8; }
};

/// WARPS_SHARE: the warps of a thread block have the same voxels and a quarter of the chunks each.
template <int KERNEL, bool SPREAD, int TILES, bool WARPS_SHARE>
__global__ void __launch_bounds__(kGemmThreads, TILES == 4 ? 3 : 4) convolve_gemm_mma_kernel(GemmArgs<Bf16> a) {
  wait_for_launches_before();
  constexpr int kWarps = kGemmThreads / 32;
  a.kernel = KERNEL;
  a.spread = SPREAD ? 1 : 0;
  constexpr bool kGather = KERNEL == 2 && !SPREAD;
  constexpr bool kPairs = KERNEL == 2 && SPREAD;   // tiles 2p and 2p+1 are neighbours in memory
  constexpr int kTileWords = kMmaVoxels * 4 + 16;  // 16: pairs keep to their banks
  VOX_SHARED(std::uint32_t, words, [kWarps][TILES * kTileWords]);
  const int lane = static_cast<int>(threadIdx.x) % 32;
  const int warp = static_cast<int>(threadIdx.x) / 32;
  const int part = static_cast<int>(blockIdx.x % a.parts);
  const int voxel_block = static_cast<int>(blockIdx.x / a.parts % a.voxel_blocks);
  const std::int64_t n = blockIdx.x / a.parts / a.voxel_blocks;
  const std::int64_t coarse = static_cast<std::int64_t>(a.d) * a.h * a.w;
  const std::int64_t fine = coarse * (KERNEL * KERNEL * KERNEL);
  const int first = (WARPS_SHARE ? voxel_block : voxel_block * kWarps + warp) * kMmaVoxels;
  if (first >= coarse) { return; }
  const GemmVoxels<KERNEL> voxels(a, first, lane);
  int from[8];  // element of voxel lane/4 + 8*r
  VOX_UNROLL
  for (int r = 0; r < 8; ++r) {
    from[r] = kGather ? voxels.fine(r / 4, lane / 4 + r % 4 * 8) : voxels.coarse(lane / 4 + r * 8);
  }
  constexpr int kStores = kPairs ? 4 : 2;  // of a tile or of a pair
  int to[kStores];
  VOX_UNROLL
  for (int i = 0; i < kStores; ++i) {
    to[i] = kPairs ? voxels.fine(i / 2, lane / 2 + i % 2 * 16) + lane % 2 * 8 : voxels.coarse(lane + i * 32);
  }
  const Bf16* const x = a.in + n * a.in_blocks * (kGather ? fine : coarse) * 8;
  Bf16* const y = a.out + n * a.out_blocks * (kPairs ? fine : coarse) * 8;
  const int first_step = WARPS_SHARE ? a.steps * warp / kWarps : 0;
  const int last_step = WARPS_SHARE ? a.steps * (warp + 1) / kWarps : a.steps;
  const int last = min(a.tiles, (part + 1) * a.tiles_per_part);
  VOX_NO_UNROLL
  for (int t = part * a.tiles_per_part; t < last; t += TILES) {
    float acc[4][TILES][4];
    GemmTile tile[TILES];
    std::uint32_t present[TILES];
    VOX_UNROLL
    for (int j = 0; j < TILES; ++j) {
      tile[j] = kPairs && j % 2 == 1 ? GemmTile{tile[j - 1].tap + 1, tile[j - 1].block} : gemm_tile(a, t + j);
      const int c = tile[j].block * 8 + lane % 4 * 2;
      present[j] = (c < a.out_channels ? 0xFFFFU : 0U) | (c + 1 < a.out_channels ? 0xFFFF0000U : 0U);
      const bool biased = a.bias != nullptr && (!WARPS_SHARE || warp == 0);
      const float bias[2] = {biased && c < a.out_channels ? a.bias[c] : 0.0F,
                             biased && c + 1 < a.out_channels ? a.bias[c + 1] : 0.0F};
      VOX_UNROLL
      for (int e = 0; e < 16; ++e) { acc[e / 4][j][e % 4] = bias[e % 2]; }
    }
    const std::uint32_t* weight = static_cast<const std::uint32_t*>(a.packed) +
                                  (static_cast<std::int64_t>(t) * a.steps + first_step) * 128 + lane * 4;
    VOX_NO_UNROLL
    for (int step = first_step; step < last_step; ++step, weight += 128) {
      const int chunk = step * 4 + lane % 4;
      const Bf16* const at = x + chunk_offset(a, chunk) * 8;
      Pack<std::uint32_t, 4> v[8] = {};
      if (chunk < a.chunks) {
        VOX_UNROLL
        for (int r = 0; r < 8; ++r) { v[r] = load_pack<4>(reinterpret_cast<const std::uint32_t*>(at + from[r])); }
      }
      std::uint32_t rows[2][4][4];
      VOX_UNROLL
      for (int e = 0; e < 32; ++e) {
        rows[e / 16][e / 4 % 4][e % 4] = v[e / 4 % 4 * 2 + e % 2].v[e / 16 * 2 + e / 2 % 2];
      }
      VOX_UNROLL
      for (int j = 0; j < TILES; ++j) {
        const auto w = load_pack<4>(weight + static_cast<std::int64_t>(j) * a.steps * 128);
        VOX_UNROLL
        for (int f = 0; f < 2; ++f) {
          const std::uint32_t b[2] = {w.v[2 * f], w.v[2 * f + 1]};
          VOX_UNROLL
          for (int m = 0; m < 4; ++m) { mma_m16n8k16_bf16(acc[m][j], rows[f][m], b, acc[m][j]); }
        }
      }
    }
    if constexpr (WARPS_SHARE) {
      VOX_SHARED(float, handed, [kWarps - 1][TILES * 16][32]);
      __syncthreads();  // the tiles before have been added
      if (warp > 0) {
        VOX_UNROLL
        for (int e = 0; e < TILES * 16; ++e) { handed[warp - 1][e][lane] = acc[e / TILES / 4][e / 4 % TILES][e % 4]; }
      }
      __syncthreads();
      if (warp > 0) { continue; }
      VOX_UNROLL
      for (int e = 0; e < TILES * 16; ++e) {
        VOX_UNROLL
        for (int w = 0; w < kWarps - 1; ++w) { acc[e / TILES / 4][e / 4 % TILES][e % 4] += handed[w][e][lane]; }
      }
    }
    __syncwarp();  // the tiles before have been stored
    VOX_UNROLL
    for (int j = 0; j < TILES; ++j) {
      VOX_UNROLL
      for (int r = 0; r < 8; ++r) {
        const float(&sum)[4] = acc[r / 2][j];
        words[warp][j * kTileWords + r * 32 + lane] = bf16x2_rn(sum[r % 2 * 2], sum[r % 2 * 2 + 1]) & present[j];
      }
    }
    __syncwarp();
    VOX_UNROLL
    for (int j = 0; j < TILES; j += kPairs ? 2 : 1) {
      if (t + j >= a.tiles) { continue; }
      Bf16* const of_tile = y + tile_offset(a, tile[j]) * 8;
      VOX_UNROLL
      for (int i = 0; i < kStores; ++i) {
        const int voxel = kPairs ? lane / 2 + i * 16 : lane + i * 32;
        const auto eight = load_pack<4>(words[warp] + (kPairs ? j + lane % 2 : j) * kTileWords + voxel * 4);
        if (first + voxel < coarse) { store_global_16(of_tile + to[i], eight.v); }
      }
    }
  }
}

template <int KERNEL, bool SPREAD, int TILES, bool WARPS_SHARE>
void launch_gemm_mma(GpuQueue& q, GemmArgs<Bf16> a, std::int64_t cases) {
  const std::int64_t voxels = static_cast<std::int64_t>(a.d) * a.h * a.w;
  const std::int64_t voxel_blocks = ceil_div(voxels, kMmaVoxels * (WARPS_SHARE ? 1 : kGemmThreads / 32));
  const std::int64_t turns = ceil_div(a.tiles, TILES);
  const std::int64_t turns_per_part = ceil_div(turns, ceil_div(kWantedBlocks, cases * voxel_blocks));
  a.voxel_blocks = static_cast<int>(voxel_blocks);
  a.parts = static_cast<int>(ceil_div(turns, turns_per_part));
  a.tiles_per_part = static_cast<int>(turns_per_part * TILES);
  VOX_LAUNCH(q, (convolve_gemm_mma_kernel<KERNEL, SPREAD, TILES, WARPS_SHARE>),
             static_cast<unsigned>(cases * voxel_blocks * a.parts), kGemmThreads, 0, a);
}

template <int KERNEL, bool SPREAD> void launch_gemm_mma(GpuQueue& q, const GemmArgs<Bf16>& a, std::int64_t cases) {
  const std::int64_t voxels = static_cast<std::int64_t>(a.d) * a.h * a.w;
  const std::int64_t blocks = cases * ceil_div(voxels, kMmaVoxels * (kGemmThreads / 32)) * ceil_div(a.tiles, 4);
  if (a.steps > 1 && blocks < kWantedBlocks) {
    launch_gemm_mma<KERNEL, SPREAD, 4, true>(q, a, cases);
  } else if (KERNEL == 1 && a.tiles == 1) {
    launch_gemm_mma<KERNEL, SPREAD, KERNEL == 1 ? 1 : 4, false>(q, a, cases);
  } else if (KERNEL == 1 && a.tiles == 2) {
    launch_gemm_mma<KERNEL, SPREAD, KERNEL == 1 ? 2 : 4, false>(q, a, cases);
  } else {
    launch_gemm_mma<KERNEL, SPREAD, 4, false>(q, a, cases);
  }
}

template <class T> void convolve_gemm(GpuQueue& q, const Convolve<T>& a) {
  const Conv3dGemm m = conv3d_gemm(a.geometry, a.pass);
  const VolumeShape& coarse = a.geometry.y;
  const bool spread = a.pass == Conv3dPass::spread;
  GemmArgs<T> args{.in = a.in.first,
                   .packed = a.scratch,
                   .bias = a.bias,
                   .out = a.out.first,
                   .kernel = static_cast<int>(a.geometry.kernel),
                   .spread = spread ? 1 : 0,
                   .d = static_cast<int>(coarse.d),
                   .h = static_cast<int>(coarse.h),
                   .w = static_cast<int>(coarse.w),
                   .in_blocks = static_cast<int>(m.in.blocks()),
                   .out_blocks = static_cast<int>(m.out.blocks()),
                   .in_channels = static_cast<int>(m.in.c),
                   .out_channels = static_cast<int>(m.out.c),
                   .chunks = static_cast<int>(m.chunks),
                   .steps = static_cast<int>(ceil_div(m.chunks, 4)),
                   .tiles = static_cast<int>(m.tiles),
                   .parts = 1,
                   .tiles_per_part = 0,
                   .voxel_blocks = 0};
  if constexpr (std::is_same_v<T, Bf16>) {
    if (a.packed != nullptr) {
      args.packed = a.packed;
    } else {
      pack_tensor_core(q,
                       {.out_channels = a.geometry.y.c,
                        .in_channels = a.geometry.x.c,
                        .kernel = a.geometry.kernel,
                        .pass = a.pass,
                        .weight = {a.weight, static_cast<std::size_t>(weight_elements(a.geometry))},
                        .packed = {reinterpret_cast<Bf16*>(a.scratch), static_cast<std::size_t>(m.packed_elements())}},
                       0);
    }
    if (args.kernel == 1) {
      launch_gemm_mma<1, false>(q, args, coarse.n);  // both passes are the same
    } else if (spread) {
      launch_gemm_mma<2, true>(q, args, coarse.n);
    } else {
      launch_gemm_mma<2, false>(q, args, coarse.n);
    }
  } else {
    const std::int64_t voxel_blocks = ceil_div(coarse.voxels(), kGemmThreads * kGemmVoxels<T>);
    const std::int64_t quads = ceil_div(m.tiles, 4);
    const std::int64_t quads_per_part = ceil_div(quads, ceil_div(kWantedBlocks, coarse.n * voxel_blocks));
    args.voxel_blocks = static_cast<int>(voxel_blocks);
    args.parts = static_cast<int>(ceil_div(quads, quads_per_part));
    args.tiles_per_part = static_cast<int>(quads_per_part * 4);
    constexpr int kPackThreads = 256;
    const std::int64_t elements = m.chunks * m.tiles * 64;
    VOX_LAUNCH(q, (pack_gemm_kernel<T>), blocks_for(elements, kPackThreads), kPackThreads, 0, args, a.weight, a.scratch,
               elements);
    VOX_LAUNCH(q, (convolve_gemm_kernel<T>), static_cast<unsigned>(coarse.n * voxel_blocks * args.parts), kGemmThreads,
               0, args);
  }
}

template void convolve_gemm(GpuQueue&, const Convolve<float>&);
template void convolve_gemm(GpuQueue&, const Convolve<double>&);
template void convolve_gemm(GpuQueue&, const Convolve<Bf16>&);

}  // namespace vox::gpu
