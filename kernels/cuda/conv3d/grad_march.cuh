#pragma once

#include "kernels/cuda/conv3d/tile.cuh"

/// Weight gradients of a 3^3 convolution of stride 1: what tiled and tensor_core share, and the march of tiled. A
/// thread block owns kGroup output channels, a group of input channels and a share of the columns (tile x part of D).
/// It walks each column along D with four slices of x and two of dy in shared memory: three and one in use, one of each
/// on its way.
namespace vox::gpu {

template <class T> struct GradArgs {
  VolumeParts<const T> x;
  VolumeParts<const T> dy;
  Acc<T>* partial;  ///< [shares][groups][input groups][27][input group][kGroup]
  std::int64_t columns;
  int d;
  int h;
  int w;
  int tiles_w;
  int tiles_h;
  int parts;
  int depth;
  int groups;
  int input_groups;
  int shares;
};

template <class T> [[nodiscard]] GradArgs<T> grad_args(const Conv3dGradWeightArgs<T>& a, const Conv3dGradMarch& g) {
  const Conv3dMarch& m = g.march;
  return {.x = x_side(a.geometry, a.x, a.x2),
          .dy = y_side(a.geometry, a.dy),
          .partial = a.scratch.data(),
          .columns = m.columns(),
          .d = static_cast<int>(m.out.d),
          .h = static_cast<int>(m.out.h),
          .w = static_cast<int>(m.out.w),
          .tiles_w = static_cast<int>(m.tiles_w),
          .tiles_h = static_cast<int>(m.tiles_h),
          .parts = static_cast<int>(m.parts),
          .depth = static_cast<int>(m.depth),
          .groups = static_cast<int>(m.groups),
          .input_groups = static_cast<int>(g.input_groups),
          .shares = static_cast<int>(g.shares())};
}

template <class A>
void sum_grad(GpuQueue& q, const Conv3dGeometry& g, const Conv3dGradMarch& m, const A* partial, A* dweight) {
  sum_partials(q, Partials<A>{.partial = partial,
                              .dweight = dweight,
                              .cases = static_cast<int>(g.y.n),
                              .shares = static_cast<int>(m.shares_of_case),
                              .taps = static_cast<int>(m.taps),
                              .in_channels = static_cast<int>(g.x.c),
                              .out_channels = static_cast<int>(g.y.c),
                              .in_group = static_cast<int>(m.input_group),
                              .out_group = static_cast<int>(kGroup),
                              .phase_blocks = m.taps == kTaps ? 0 : static_cast<int>(g.x.blocks())});
}

/// Starts copying one channel block of a slice of a volume; zero where block or slice are not
/// there.
template <int THREADS, class T>
__device__ __forceinline__ void copy_block(Pack<T, kWide<T>>* to, TileShape s, const VolumeParts<const T>& volume,
                                           const GradArgs<T>& a, int n, int block, int slice, int h, int w) {
  const bool there = block < volume.first_blocks + volume.second_blocks && slice >= 0 && slice < a.d;
  const T* const from = there ? volume.at(n, block) + static_cast<std::int64_t>(slice) * (a.h * a.w * 8) : volume.first;
  copy_tile<THREADS>(to, s, from, h, w, there ? a.h : 0, a.w);
}

struct GradColumn {
  int n;
  int first;  ///< slice
  int h;
  int w;
};

/// Algorithm gives:
///   kThreads, kTileW, kTileH, kXCells, kDyCells         the last two: cells of a slice in shared memory
///   copy_x(to, a, n, slice, group, h, w), copy_dy(...)  h, w: the tile's first voxel
///   add(x, slot, dy, sums)                              one slice; x's slice kd is in place (slot + kd) % 4
template <class Algorithm, class T>
__device__ __forceinline__ void grad_march(const GradArgs<T>& a, Pack<T, kWide<T>>* shared,
                                           typename Algorithm::Sums& sums) {
  using Cell = Pack<T, kWide<T>>;
  Cell* const x = shared;
  Cell* const dy = shared + 4 * Algorithm::kXCells;
  VOX_SHARED(GradColumn, places, [1]);  // read again where needed: the registers are for the sums
  const GradColumn& at = places[0];
  const int in_group = static_cast<int>(blockIdx.x) % a.input_groups;
  const int group = static_cast<int>(blockIdx.x) / a.input_groups % a.groups;
  const int share = static_cast<int>(blockIdx.x) / a.input_groups / a.groups;
  const std::int64_t end = a.columns * (share + 1) / a.shares;
  VOX_NO_UNROLL
  for (std::int64_t column = a.columns * share / a.shares; column < end; ++column) {
    __syncthreads();  // the column before has been read
    if (threadIdx.x == 0) {
      const std::int64_t part = column / a.tiles_w / a.tiles_h;
      places[0] = {.n = static_cast<int>(part / a.parts),
                   .first = static_cast<int>(part % a.parts) * a.depth,
                   .h = static_cast<int>(column / a.tiles_w % a.tiles_h) * Algorithm::kTileH,
                   .w = static_cast<int>(column % a.tiles_w) * Algorithm::kTileW};
    }
    __syncthreads();
    const int count = min(a.depth, a.d - at.first);
    for (int kd = 0; kd < 3; ++kd) {
      Algorithm::copy_x(x + kd * Algorithm::kXCells, a, at.n, at.first + kd - 1, in_group, at.h, at.w);
    }
    Algorithm::copy_dy(dy, a, at.n, at.first, group, at.h, at.w);
    for (int i = 0; i < count; ++i) {
      cp_async_commit();
      cp_async_wait<0>();
      __syncthreads();
      if (i + 1 < count) {
        Algorithm::copy_x(x + (i + 3) % 4 * Algorithm::kXCells, a, at.n, at.first + i + 2, in_group, at.h, at.w);
        Algorithm::copy_dy(dy + (i + 1) % 2 * Algorithm::kDyCells, a, at.n, at.first + i + 1, group, at.h, at.w);
      }
      Algorithm::add(x, i, dy + i % 2 * Algorithm::kDyCells, sums);
    }
  }
}

}  // namespace vox::gpu
