#include "kernels/cuda/conv3d/march_launch.cuh"
#include "kernels/cuda/conv3d/pack_tensor_core.cuh"
#include "kernels/cuda/conv3d/phases.cuh"
#include "kernels/cuda/conv3d/sum_shares.cuh"
#include "kernels/cuda/conv3d/tensor_core_gradient.cuh"
#include "kernels/cuda/conv3d/tensor_core_store.cuh"

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

using Bf16Cell = Pack<Bf16, 8>;

/// The products of one row shift: the sums of the slices before, at and after += rows 2t.. of the fragments from FIRST
/// on, times the weights of kh. ALL: all three slices are active, and there is no branch.
template <int FIRST, bool ALL, Taps TAPS>
__device__ __forceinline__ void multiply_row(const std::uint32_t (&x)[5][4], const Bf16Cell* weight, int kd_cells,
                                             const bool (&active)[3], float (&acc)[3][4][2][4]) {
  VOX_UNROLL
  for (int j = TAPS == Taps::before ? 1 : 0; j < (TAPS == Taps::after ? 2 : 3); ++j) {
    if (!ALL && !active[j]) { continue; }
    std::uint32_t w[4];
    ldmatrix_x4(w, weight + ((TAPS == Taps::after ? 1 : 2) - j) * kd_cells);
    const std::uint32_t low[2] = {w[0], w[1]};
    const std::uint32_t high[2] = {w[2], w[3]};
    VOX_UNROLL
    for (int t = 0; t < 4; ++t) {
      mma_m16n8k16_bf16(acc[j][t][0], x[t + FIRST], low, acc[j][t][0]);
      mma_m16n8k16_bf16(acc[j][t][1], x[t + FIRST], high, acc[j][t][1]);
    }
  }
}

/// One step of channels. `input` is the warp's first voxel with its halo, `weight` the warp's chunk. SINGLE: the step
/// has one block of channels. odd: of the step's phase, where there are phases; along H and W an even one has one tap.
template <class Tile, bool SINGLE, bool ALL>
__device__ __forceinline__ void add_tensor_step(const Bf16Cell* input, const Bf16Cell* weight, const bool (&active)[3],
                                                [[maybe_unused]] unsigned odd, float (&acc)[3][4][2][4]) {
  constexpr Taps kTaps = Tile::kTaps;
  constexpr bool kAfter = kTaps == Taps::after;
  constexpr int kAxis = taps_of_axis(kTaps);
  constexpr int kKws = SINGLE ? 2 : kAxis;
  constexpr int kKh = kKws * 32;  ///< cells from kh to kh + 1
  constexpr int kFirst = kAfter ? 1 : 0;
  const bool odd_h = kTaps == Taps::all || (odd & kOddH) != 0;
  const bool odd_w = kTaps == Taps::all || (odd & kOddW) != 0;
  const unsigned lane = threadIdx.x % 32;
  const Bf16Cell* const voxel = input + lane / 8 % 2 * Tile::kPitch + lane % 8;
  const Bf16Cell* const channel = weight + lane / 8 % 2 * 16 + lane / 16 * 8 + lane % 8;
  VOX_NO_UNROLL
  for (int kw = kTaps == Taps::before && !odd_w ? 1 : 0; kw < (kAfter && !odd_w ? 1 : kKws); ++kw) {
    const int half = SINGLE ? (kw == 0 ? 1 : 0) : Tile::kPlane;  // from the first half of K to the second
    const Bf16Cell* const x = voxel + (SINGLE ? 2 * kw : kw + kFirst) + static_cast<int>(lane / 16) * half;
    const Bf16Cell* const w = channel + kw * 32;
    std::uint32_t rows[5][4];
    if (odd_h) {
      VOX_UNROLL
      for (int t = kFirst; t < (kTaps == Taps::before ? 4 : 5); ++t) { ldmatrix_x4(rows[t], x + 2 * t * Tile::kPitch); }
      if constexpr (!kAfter) { multiply_row<0, ALL, kTaps>(rows, w, kAxis * kKh, active, acc); }
      if constexpr (kTaps != Taps::before) {
        multiply_row<1, ALL, kTaps>(rows, w + (kAxis - 1) * kKh, kAxis * kKh, active, acc);
      }
    }
    VOX_UNROLL
    for (int t = 0; t < 4; ++t) { ldmatrix_x4(rows[t], x + (2 * t + 1) * Tile::kPitch); }
    multiply_row<0, ALL, kTaps>(rows, w + (1 - kFirst) * kKh, kAxis * kKh, active, acc);
  }
}

/// Blocks of input channels: a kernel for each has the registers it needs.
enum class Channels : std::uint8_t { one, even, odd };
/// What is made of the sums: the result, its moments or batch norm's gradient sums beside it, or a share's place in
/// scratch.
enum class Result : std::uint8_t { values, moments, partials, gradient, leaky_gradient };
[[nodiscard]] VOX_HD constexpr bool is_gradient(Result r) {
  return r == Result::gradient || r == Result::leaky_gradient;
}

template <class TileOf, Channels CHANNELS, Result RESULT> struct TensorMarch {
  using Tile = TileOf;
  static constexpr bool kOneStep = CHANNELS == Channels::one;
  struct Sums {
    float acc[3][4][2][4];  ///< [output slice][m16 tile][n8 tile][of the fragment]
    float moment;           ///< of the lane's, see sum_of_eight()
  };
  static __device__ __forceinline__ bool pair(const MarchArgs<Bf16>& a, int step) {
    return CHANNELS == Channels::even || (CHANNELS == Channels::odd && 2 * step + 1 < a.in_blocks);
  }
  struct Source {
    MarchSource<Tile, 1, Bf16> tile;
    __device__ __forceinline__ Source(const MarchArgs<Bf16>& a, int h, int w) : tile(a, h, w) {}
    __device__ __forceinline__ void clear(Bf16Cell* to) const { tile.clear(to, 2); }
    __device__ __forceinline__ void copy(Bf16Cell* to, const MarchPlanes<Bf16>& from, std::int64_t offset) const {
      tile.copy(to, from.first + offset);
      if (CHANNELS == Channels::even || (CHANNELS == Channels::odd && from.second != nullptr)) {
        tile.copy(to + Tile::kPlane, from.second + offset);
      }
    }
  };
  static __device__ __forceinline__ MarchPlanes<Bf16> planes(const MarchArgs<Bf16>& a, int n, int step) {
    return {a.in.at(n, 2 * step), pair(a, step) ? a.in.at(n, 2 * step + 1) : nullptr};
  }

  static __device__ __forceinline__ void begin(const MarchArgs<Bf16>& a, const MarchPlace& at) {
    if constexpr (is_gradient(RESULT)) { begin_gradient<Tile>(a, at); }
  }
  static __device__ __forceinline__ void add(const Bf16Cell* input, const unsigned char* weight,
                                             const MarchArgs<Bf16>& a, int step, const bool (&active)[3], Sums& sums) {
    const auto* const w = reinterpret_cast<const Bf16Cell*>(weight);
    if constexpr (Tile::kTaps != Taps::all) {
      const unsigned odd = odd_of_phase<Tile>(a, step);
      const bool both = (odd & kOddD) != 0;  // an even phase has one tap along D
      const bool has[3] = {active[0] && both, active[1], active[2] && both};
      add_tensor_step<Tile, false, false>(input, w, has, odd, sums.acc);
      return;
    }
    // Where the channels are few, sums that are of no slice of ours cost less than the branches.
    const bool all = CHANNELS == Channels::one || (active[0] && active[1] && active[2]);
    if (!pair(a, step)) {
      add_tensor_step<Tile, true, CHANNELS == Channels::one>(input, w, active, 0, sums.acc);
    } else if (CHANNELS != Channels::odd && all) {
      add_tensor_step<Tile, false, true>(input, w, active, 0, sums.acc);
    } else {
      add_tensor_step<Tile, false, false>(input, w, active, 0, sums.acc);
    }
  }
  static __device__ __forceinline__ void store(const MarchArgs<Bf16>& a, const MarchPlace& at, int d,
                                               const MarchWarp<Bf16>& my, Sums& sums) {
    if constexpr (RESULT == Result::partials) {
      store_partial(a, at, d, my, sums.acc[0]);
    } else if constexpr (is_gradient(RESULT)) {
      store_gradient<Tile, RESULT == Result::leaky_gradient>(a, d, my, sums.acc[0], sums.moment);
    } else {
      store_tensor<Tile, RESULT == Result::moments>(a, at, d, my, sums.acc[0], sums.moment);
    }
  }
  static __device__ __forceinline__ void end(const MarchArgs<Bf16>& a, const MarchPlace& at,
                                             const MarchWarp<Bf16>* warps, unsigned char* shared, const Sums& sums) {
    const auto lane_of = [](int c, int k) { return c / 8 * 16 + c % 2 * 8 + k * 4 + c % 8 / 2; };
    if constexpr (RESULT == Result::moments) {
      write_moments<Tile>(a, at, warps, reinterpret_cast<float*>(shared), sums.moment, lane_of);
    } else if constexpr (is_gradient(RESULT)) {
      write_gradient<Tile>(a, warps, reinterpret_cast<float*>(shared), sums.moment, lane_of);
    }
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

template <class Tile, Channels CHANNELS, Result RESULT>
__global__ void __launch_bounds__(Tile::kThreads, Tile::kMinBlocks) convolve_tensor_core_kernel(MarchArgs<Bf16> a) {
  wait_for_launches_before();
  march<TensorMarch<Tile, CHANNELS, RESULT>>(a);
}

template <class Tile, Channels CHANNELS, Result RESULT>
void launch_tensor_core(GpuQueue& q, const MarchArgs<Bf16>& a, std::int64_t blocks) {
  if (march_fills_gpu<Tile>(blocks)) {
    VOX_LAUNCH(q, (convolve_tensor_core_kernel<Tile, CHANNELS, RESULT>), static_cast<unsigned>(blocks), Tile::kThreads,
               march_shared_bytes<Tile>(a), a);
  } else {
    VOX_LAUNCH_ALONE(q, (convolve_tensor_core_kernel<Tile, CHANNELS, RESULT>), static_cast<unsigned>(blocks),
                     Tile::kThreads, march_shared_bytes<Tile>(a), a);
  }
}
template <class Tile, Result RESULT>
void launch_tensor_core(GpuQueue& q, const MarchArgs<Bf16>& a, std::int64_t blocks) {
  if (a.in_blocks % 2 == 0) { return launch_tensor_core<Tile, Channels::even, RESULT>(q, a, blocks); }
  if constexpr (RESULT != Result::partials && Tile::kWarpsN == 1) {
    if (a.in_blocks == 1) { return launch_tensor_core<Tile, Channels::one, RESULT>(q, a, blocks); }
  }
  launch_tensor_core<Tile, Channels::odd, RESULT>(q, a, blocks);
}
template <class Tile> void launch_tensor_core(GpuQueue& q, const MarchArgs<Bf16>& a, std::int64_t blocks) {
  if (a.shares > 1) {
    launch_tensor_core<Tile, Result::partials>(q, a, blocks);
    sum_shares(q, a);
  } else if (a.moments != nullptr) {
    launch_tensor_core<Tile, Result::moments>(q, a, blocks);
  } else if (a.gradient.sums != nullptr && a.gradient.leaks) {
    launch_tensor_core<Tile, Channels::even, Result::leaky_gradient>(q, a, blocks);
  } else if (a.gradient.sums != nullptr) {
    launch_tensor_core<Tile, Channels::even, Result::gradient>(q, a, blocks);
  } else {
    launch_tensor_core<Tile, Result::values>(q, a, blocks);
  }
}

template <class Tile> static void launch_phases(GpuQueue& q, const MarchArgs<Bf16>& a, std::int64_t blocks) {
  if (a.shares > 1) {
    launch_tensor_core<Tile, Channels::even, Result::partials>(q, a, blocks);
    return sum_shares(q, a);
  }
  if constexpr (Tile::kTaps == Taps::before) {
    if (a.moments != nullptr) { return launch_tensor_core<Tile, Channels::even, Result::moments>(q, a, blocks); }
  }
  launch_tensor_core<Tile, Channels::even, Result::values>(q, a, blocks);
}
template <Taps TAPS> static void launch_phases(GpuQueue& q, const MarchArgs<Bf16>& a, const Conv3dMarch& m) {
  if (m.wide) {
    launch_phases<MarchTile<2, 2, 1, 8, 2, TAPS>>(q, a, m.blocks());
  } else {
    launch_phases<MarchTile<1, 1, 2, 8, 2, TAPS>>(q, a, m.blocks());
  }
}

void march_phases(GpuQueue& q, const MarchArgs<Bf16>& a, const Conv3dMarch& m, Conv3dPass pass) {
  if (pass == Conv3dPass::correlate) {
    launch_phases<Taps::before>(q, a, m);
  } else {
    launch_phases<Taps::after>(q, a, m);
  }
}

void convolve_tensor_core(GpuQueue& q, const Convolve<Bf16>& a) {
  if (a.geometry.stride == 2) { return convolve_phases(q, a); }
  const Conv3dMarch m = conv3d_march(a.geometry, a.pass, 8);
  const int steps = static_cast<int>(ceil_div(m.in.blocks(), 2));
  MarchArgs<Bf16> args = march_args(a, m, steps, 1);
  if (a.packed != nullptr) {
    args.packed = a.packed;
  } else {
    pack_tensor_core(q,
                     {.out_channels = a.geometry.y.c,
                      .in_channels = a.geometry.x.c,
                      .pass = a.pass,
                      .weight = {a.weight, static_cast<std::size_t>(weight_elements(a.geometry))},
                      .packed = {reinterpret_cast<Bf16*>(a.scratch), static_cast<std::size_t>(m.packed_elements())}},
                     m.groups * m.warps_n);
  }
  if (m.wide) {
    launch_tensor_core<MarchTile<2, 2, 1, 8, 2>>(q, args, m.blocks());
  } else {
    launch_tensor_core<MarchTile<1, 1, 2, 8, 2>>(q, args, m.blocks());
  }
}

}  // namespace vox::gpu
