#include "kernels/cuda/conv3d/grad_march.cuh"

// Weight gradient of a 3^3 convolution of stride 1 on the ordinary arithmetic units. Warp = one (kd,kh); thread = 4
// (f64: 2) input channels by 4 output channels by the three kw, and every fourth (f64: second) row of the tile. Along a
// row it reads one voxel of x and one of dy and does 48 (f64: 24) multiply-adds, the last two voxels of x in registers.
// The rows are added by shuffles at the end.

namespace vox::gpu {

template <class T, int TILE_W, int TILE_H> struct TiledGrad {
  using Cell = Pack<T, kWide<T>>;
  static constexpr int kThreads = 9 * 32;
  static constexpr int kTileW = TILE_W;
  static constexpr int kTileH = TILE_H;
  static constexpr int kIn = sizeof(T) == 8 ? 2 : 4;  ///< input channels of a thread
  static constexpr int kInParts = 8 / kIn;
  static constexpr int kRowParts = 32 / 4 / kInParts;
  static constexpr int kBlockCells = 8 / kWide<T>;
  // Pitches of 2 and strides of 1, modulo the 8 cells of all banks, keep the lanes of a warp apart.
  static constexpr TileShape kX{kBlockCells, TILE_H + 2, TILE_W + 2, TILE_W + 2,
                                ((TILE_H + 2) * (TILE_W + 2) / 8) * 8 + 9};
  static constexpr TileShape kDy{kBlockCells, TILE_H, TILE_W, TILE_W + 2, (TILE_H * (TILE_W + 2) / 8) * 8 + 9};
  static constexpr int kXCells = kX.cells * kX.stride;
  static constexpr int kDyCells = 2 * kDy.cells * kDy.stride;
  static constexpr std::size_t kSharedBytes = (4 * kXCells + 2 * kDyCells) * 16;
  struct Sums {
    Acc<T> acc[3][kIn][4];
  };

  static __device__ __forceinline__ void copy_x(Cell* to, const GradArgs<T>& a, int n, int slice, int group, int h,
                                                int w) {
    copy_block<kThreads>(to, kX, a.x, a, n, group, slice, h - 1, w - 1);
  }
  static __device__ __forceinline__ void copy_dy(Cell* to, const GradArgs<T>& a, int n, int slice, int group, int h,
                                                 int w) {
    for (int b = 0; b < 2; ++b) {
      copy_block<kThreads>(to + b * kDy.cells * kDy.stride, kDy, a.dy, a, n, 2 * group + b, slice, h, w);
    }
  }
  static __device__ __forceinline__ void add(const Cell* x, int slot, const Cell* dy, Sums& sums) {
    const int lane = static_cast<int>(threadIdx.x) % 32;
    const int kd = static_cast<int>(threadIdx.x) / 96;
    const int kh = static_cast<int>(threadIdx.x) / 32 % 3;
    const int in = lane / 4 % kInParts * kIn;
    const int out = lane % 4 * 4;
    x += (slot + kd) % 4 * kXCells + in / kWide<T> * kX.stride + kh * kX.pitch;
    dy += out / kWide<T> * kDy.stride;
    VOX_NO_UNROLL
    for (int row = lane / 4 / kInParts; row < kTileH; row += kRowParts) {
      const Cell* const x_row = x + row * kX.pitch;
      const Cell* const dy_row = dy + row * kDy.pitch;
      Pack<T, kIn> voxel[4];
      voxel[0] = load_pack<kIn>(x_row[0].v + in % kWide<T>);
      voxel[1] = load_pack<kIn>(x_row[1].v + in % kWide<T>);
      VOX_NO_UNROLL
      for (int w = 0; w < kTileW; w += 2) {
        VOX_UNROLL
        for (int v = 0; v < 2; ++v) {
          voxel[v + 2] = load_pack<kIn>(x_row[w + v + 2].v + in % kWide<T>);
          Acc<T> g[4];
          read_dy(dy_row + w + v, out % kWide<T>, g);
          VOX_UNROLL
          for (int kw = 0; kw < 3; ++kw) {
            VOX_UNROLL
            for (int i = 0; i < kIn; ++i) {
              VOX_UNROLL
              for (int o = 0; o < 4; ++o) { sums.acc[kw][i][o] += load(voxel[v + kw].v[i]) * g[o]; }
            }
          }
        }
        voxel[0] = voxel[2];
        voxel[1] = voxel[3];
      }
    }
  }
  /// Four channels of dy at a voxel: of one cell, or of two in f64.
  static __device__ __forceinline__ void read_dy(const Cell* cell, int first, Acc<T> (&g)[4]) {
    constexpr int kRead = kWide<T> < 4 ? kWide<T> : 4;
    VOX_UNROLL
    for (int part = 0; part < 4 / kRead; ++part) {
      const Pack<T, kRead> v = load_pack<kRead>(cell[part * kDy.stride].v + first);
      VOX_UNROLL
      for (int i = 0; i < kRead; ++i) { g[part * kRead + i] = load(v.v[i]); }
    }
  }
};

template <class T, class Grad>
__global__ void __launch_bounds__(Grad::kThreads, 2) grad_weight_tiled_kernel(GradArgs<T> a) {
  wait_for_launches_before();
  using A = Acc<T>;
  static_assert(Grad::kSharedBytes <= kSharedBytesEverywhere);
  VOX_DYNAMIC_SHARED(typename Grad::Cell, shared);
  typename Grad::Sums sums{};
  grad_march<Grad>(a, shared, sums);
  const int lane = static_cast<int>(threadIdx.x) % 32;
  const int taps = static_cast<int>(threadIdx.x) / 32 * 3;  // of kw 0
  VOX_UNROLL
  for (int e = 0; e < 12 * Grad::kIn; ++e) {
    A& sum = sums.acc[e / 4 / Grad::kIn][e / 4 % Grad::kIn][e % 4];
    VOX_UNROLL
    for (int apart = 16; apart >= 32 / Grad::kRowParts; apart /= 2) { sum += __shfl_xor_sync(0xFFFFFFFFU, sum, apart); }
  }
  if (lane / 4 / Grad::kInParts != 0) { return; }
  A* const partial = a.partial + static_cast<std::int64_t>(blockIdx.x) * (27 * 8 * 16) + lane % 4 * 4;
  VOX_UNROLL
  for (int e = 0; e < 3 * Grad::kIn; ++e) {
    const int i = lane / 4 % Grad::kInParts * Grad::kIn + e % Grad::kIn;
    Pack<A, 4> row;
    VOX_UNROLL
    for (int o = 0; o < 4; ++o) { row.v[o] = sums.acc[e / Grad::kIn][e % Grad::kIn][o]; }
    store_pack(partial + ((taps + e / Grad::kIn) * 8 + i) * 16, row);
  }
}

template <class Grad, class T> void launch_grad_tiled(GpuQueue& q, const GradArgs<T>& a) {
  const unsigned blocks = static_cast<unsigned>(a.shares * a.groups * a.input_groups);
  VOX_LAUNCH(q, (grad_weight_tiled_kernel<T, Grad>), blocks, Grad::kThreads, Grad::kSharedBytes, a);
}

template <class T> void grad_weight_tiled(GpuQueue& q, const Conv3dGradWeightArgs<T>& a) {
  const Conv3dGradMarch m = conv3d_grad_march(a.geometry, kBlock8);
  const GradArgs<T> args = grad_args(a, m);
  if (m.march.wide) {
    launch_grad_tiled<TiledGrad<T, 16, 8>>(q, args);
  } else {
    launch_grad_tiled<TiledGrad<T, 8, 4>>(q, args);
  }
  sum_grad(q, a.geometry, m, args.partial, a.dweight.data());
}

VOX_INSTANTIATE(GpuQueue, grad_weight_tiled, Conv3dGradWeightArgs);

}  // namespace vox::gpu
