#include "kernels/cuda/conv3d_grad_march.cuh"

// Weight gradient of a 3^3 convolution of stride 1 in bf16 on tensor cores: for each tap [output channels x voxels] x
// [voxels x input channels], sums in f32. Warp = 16 output channels by 16 input channels by the nine taps of one kd,
// over half of the tile; K = 16 are two rows of 8 voxels, transposed by ldmatrix. The shift by kw is taken from dy and
// not from x (dW[kw] = sum over q of x[q] * dy[q-kw+1]), so that 3 + 3 ldmatrix.x4 feed 18 products of 16x8x16: three
// kh of x times three kw of dy.

namespace vox::gpu {

using Bf16Cell = Pack<Bf16, 8>;

template <int TILE> struct TensorGrad {
  static constexpr int kThreads = 6 * 32;
  static constexpr int kTileW = TILE;
  static constexpr int kTileH = TILE;
  static constexpr TileShape kX{1, TILE + 2, TILE, TILE, (TILE + 2) * TILE};
  static constexpr TileShape kDy{1, TILE, TILE + 2, TILE + 2, TILE*(TILE + 2)};
  static constexpr int kXCells = 2 * kX.stride;
  static constexpr int kDyCells = 2 * kDy.stride;
  static constexpr int kSumBytes = 3 * 72 * 32 * 4;  // of the warps that hand over their sums at the end
  static constexpr int kTileBytes = (4 * kXCells + 2 * kDyCells) * 16;
  static constexpr std::size_t kSharedBytes = kSumBytes > kTileBytes ? kSumBytes : kTileBytes;
  struct Sums {
    float acc[3][3][2][4];  ///< [kh][kw][8 input channels][of the fragment]
  };

  static __device__ __forceinline__ void copy_x(Bf16Cell* to, const GradArgs<Bf16>& a, int n, int slice, int group,
                                                int h, int w) {
    for (int b = 0; b < 2; ++b) {
      copy_block<kThreads>(to + b * kX.stride, kX, a.x, a, n, 2 * group + b, slice, h - 1, w);
    }
  }
  static __device__ __forceinline__ void copy_dy(Bf16Cell* to, const GradArgs<Bf16>& a, int n, int slice, int group,
                                                 int h, int w) {
    for (int b = 0; b < 2; ++b) {
      copy_block<kThreads>(to + b * kDy.stride, kDy, a.dy, a, n, 2 * group + b, slice, h, w - 1);
    }
  }

  static __device__ __forceinline__ void add(const Bf16Cell* x, int slot, const Bf16Cell* dy, Sums& sums) {
    const int lane = static_cast<int>(threadIdx.x) % 32;
    const int warp = static_cast<int>(threadIdx.x) / 32;
    // ldmatrix: lanes 8m..8m+7 point at the rows of matrix m; of dy in the order (block, row), of x in (row, block).
    x += (slot + warp % 3) % 4 * kXCells + lane / 16 * kX.stride + lane / 8 % 2 * kX.pitch + lane % 8;
    dy += lane / 8 % 2 * kDy.stride + lane / 16 * kDy.pitch + lane % 8 + 2;
    constexpr int kAcross = TILE / 8;
    VOX_NO_UNROLL
    for (int i = warp / 3; i < kAcross * TILE / 2; i += 2) {
      const int row = i / kAcross * 2;
      const int column = i % kAcross * 8;
      std::uint32_t g[3][4];
      VOX_UNROLL
      for (int kw = 0; kw < 3; ++kw) { ldmatrix_x4_trans(g[kw], dy + row * kDy.pitch + column - kw); }
      VOX_UNROLL
      for (int kh = 0; kh < 3; ++kh) {
        std::uint32_t v[4];
        ldmatrix_x4_trans(v, x + (row + kh) * kX.pitch + column);
        const std::uint32_t low[2] = {v[0], v[1]};
        const std::uint32_t high[2] = {v[2], v[3]};
        VOX_UNROLL
        for (int kw = 0; kw < 3; ++kw) {
          mma_m16n8k16_bf16(sums.acc[kh][kw][0], g[kw], low, sums.acc[kh][kw][0]);
          mma_m16n8k16_bf16(sums.acc[kh][kw][1], g[kw], high, sums.acc[kh][kw][1]);
        }
      }
    }
  }
};

template <class Grad>
__global__ void __launch_bounds__(Grad::kThreads, 2) grad_weight_tensor_core_kernel(GradArgs<Bf16> a) {
  static_assert(Grad::kSharedBytes <= kSharedBytesEverywhere);
  VOX_DYNAMIC_SHARED(Bf16Cell, shared);
  typename Grad::Sums sums{};
  grad_march<Grad>(a, shared, sums);
  const int lane = static_cast<int>(threadIdx.x) % 32;
  const int warp = static_cast<int>(threadIdx.x) / 32;
  float* const handed = reinterpret_cast<float*>(shared) + warp % 3 * 72 * 32 + lane;
  __syncthreads();  // the tiles have been read
  if (warp >= 3) {
    VOX_UNROLL
    for (int e = 0; e < 72; ++e) { handed[e * 32] = sums.acc[e / 24][e / 8 % 3][e / 4 % 2][e % 4]; }
  }
  __syncthreads();
  if (warp >= 3) { return; }
  // Element e of a fragment is output channel lane/4 + e/2*8 and input channel lane%4*2 + e%2.
  float* const partial = a.partial + static_cast<std::int64_t>(blockIdx.x) * (27 * 16 * 16) + lane % 4 * 32 + lane / 4;
  VOX_UNROLL
  for (int e = 0; e < 72; ++e) {
    const float sum = sums.acc[e / 24][e / 8 % 3][e / 4 % 2][e % 4] + handed[e * 32];
    partial[(warp * 9 + e / 8) * 256 + (e / 4 % 2 * 8 + e % 2) * 16 + e / 2 % 2 * 8] = sum;
  }
}

void grad_weight_tensor_core(GpuQueue& q, const Conv3dGradWeightArgs<Bf16>& a) {
  const Conv3dGradMarch m = conv3d_grad_march(a.geometry, 2 * kBlock8);
  const GradArgs<Bf16> args = grad_args(a, m);
  const unsigned blocks = static_cast<unsigned>(args.splits * args.groups * args.input_groups);
  if (m.march.wide) {
    using Grad = TensorGrad<16>;
    VOX_LAUNCH(q, (grad_weight_tensor_core_kernel<Grad>), blocks, Grad::kThreads, Grad::kSharedBytes, args);
  } else {
    using Grad = TensorGrad<8>;
    VOX_LAUNCH(q, (grad_weight_tensor_core_kernel<Grad>), blocks, Grad::kThreads, Grad::kSharedBytes, args);
  }
  sum_grad(q, a.geometry, m, args.partial, a.dweight.data());
}

}  // namespace vox::gpu
