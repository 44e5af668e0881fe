#include "kernels/max_pool3d.h"

#include "kernels/cuda/chunk.cuh"

namespace vox {
namespace gpu {

inline constexpr int kPoolThreads = 256;

/// A grid of one thread per 16 bytes of a voxel's lanes of each 2x2x2 cell, or of each of its two columns along W.
/// Blocks are counted (volume, plane of cells, tile of the plane), volume = (case, block of channels).
struct PoolGrid {
  int d, h, w;           ///< extents of x
  int cells_d, cells_h;  ///< cells that have a thread
  int columns;           ///< the same along W, cells or columns
  unsigned tiles;        ///< blocks of threads per plane
};

template <class T>
[[nodiscard]] PoolGrid pool_grid(const VolumeShape& x, std::int64_t d, std::int64_t h, std::int64_t w) {
  return {.d = static_cast<int>(x.d),
          .h = static_cast<int>(x.h),
          .w = static_cast<int>(x.w),
          .cells_d = static_cast<int>(d),
          .cells_h = static_cast<int>(h),
          .columns = static_cast<int>(w),
          .tiles = blocks_for(h * w * kPieces<T>, kPoolThreads)};
}

/// This thread's cell, or column of a cell.
struct PoolCell {
  bool present;
  int d, h;        ///< in cells
  int w;           ///< in cells or columns
  std::int64_t x;  ///< element of x at its first voxel
  std::int64_t y;  ///< element of y
};

/// WIDTH: 2 for cells, 1 for columns.
template <class T, int WIDTH> __device__ __forceinline__ PoolCell this_cell(const PoolGrid& g) {
  constexpr int kLanes = static_cast<int>(kBlock8);
  const unsigned plane = blockIdx.x / g.tiles;
  const int i = static_cast<int>(blockIdx.x % g.tiles * kPoolThreads + threadIdx.x);
  const int volume = static_cast<int>(plane / static_cast<unsigned>(g.cells_d));
  const int cell = i / kPieces<T>;
  const int lane = i % kPieces<T> * kWide<T>;
  const int d = static_cast<int>(plane % static_cast<unsigned>(g.cells_d));
  const int h = cell / g.columns;
  const int w = cell % g.columns;
  const std::int64_t row = (static_cast<std::int64_t>(volume) * g.d + 2 * d) * g.h + 2 * h;
  const std::int64_t row_y = (static_cast<std::int64_t>(volume) * (g.d / 2) + d) * (g.h / 2) + h;
  return {.present = h < g.cells_h,
          .d = d,
          .h = h,
          .w = w,
          .x = (row * g.w + WIDTH * w) * kLanes + lane,
          .y = (row_y * (g.w / 2) + WIDTH * w / 2) * kLanes + lane};
}

/// Elements from a cell's first voxel to voxel k of it, in scan order.
__device__ __forceinline__ std::int64_t voxel_of_cell(const PoolGrid& g, int k) {
  return ((static_cast<std::int64_t>(k / 4) * g.h + k / 2 % 2) * g.w + k % 2) * kBlock8;
}

/// best = the largest of the cell, winner = which of its voxels: the first that is, but any NaN wins.
template <class T>
__device__ __forceinline__ void compete(const T* x, const PoolGrid& g, Acc<T> (&best)[kWide<T>],
                                        int (&winner)[kWide<T>]) {
  VOX_UNROLL
  for (int k = 0; k < 8; ++k) {
    const Pack<T, kWide<T>> v = load_pack<kWide<T>>(x + voxel_of_cell(g, k));
    VOX_UNROLL
    for (int i = 0; i < kWide<T>; ++i) {
      const Acc<T> value = load(v.v[i]);
      const bool wins = k == 0 || value > best[i] || value != value;  // NOLINT(misc-redundant-expression): NaN
      best[i] = wins ? value : best[i];
      winner[i] = wins ? k : winner[i];
    }
  }
}

/// winners: of the cells' lanes, or null.
template <class T> __global__ void max_pool3d_kernel(const T* x, T* y, std::uint8_t* winners, PoolGrid g) {
  wait_for_launches_before();
  const PoolCell cell = this_cell<T, 2>(g);
  if (!cell.present) { return; }
  Acc<T> best[kWide<T>];
  int winner[kWide<T>];
  compete(x + cell.x, g, best, winner);
  Pack<T, kWide<T>> out;
  VOX_UNROLL
  for (int i = 0; i < kWide<T>; ++i) { out.v[i] = store<T>(best[i]); }
  store_pack(y + cell.y, out);
  if (winners == nullptr) { return; }
  Pack<std::uint8_t, kWide<T>> narrow;
  VOX_UNROLL
  for (int i = 0; i < kWide<T>; ++i) { narrow.v[i] = static_cast<std::uint8_t>(winner[i]); }
  store_pack(winners + cell.y, narrow);
}

/// dx grows by the cells' shares of dy, or becomes that: then there are threads, too, for the cells that an odd last
/// plane cuts, whose voxels get 0. A thread has a column, so that a warp writes whole sectors of memory.
template <class T>
__global__ void max_pool3d_backward_kernel(const std::uint8_t* winners, const T* dy, bool adds, T* dx, PoolGrid g) {
  wait_for_launches_before();
  const PoolCell column = this_cell<T, 1>(g);
  if (!column.present) { return; }
  Pack<std::uint8_t, kWide<T>> winner{};
  Acc<T> share[kWide<T>]{};
  const bool whole = 2 * column.d + 1 < g.d && 2 * column.h + 1 < g.h && column.w / 2 * 2 + 1 < g.w;
  if (whole) {
    winner = load_pack<kWide<T>>(winners + column.y);
    unpack<T>(load_words(dy + column.y), share);
  }
  VOX_UNROLL
  for (int k = 0; k < 8; k += 2) {
    if (2 * column.d + k / 4 >= g.d || 2 * column.h + k / 2 % 2 >= g.h) { continue; }
    T* const to = dx + column.x + voxel_of_cell(g, k);
    Acc<T> out[kWide<T>]{};
    if (adds) { unpack<T>(load_words(to), out); }
    VOX_UNROLL
    for (int i = 0; i < kWide<T>; ++i) {
      if (whole && winner.v[i] == k + column.w % 2) { out[i] += share[i]; }
    }
    store_wide(to, out);
  }
}

[[nodiscard]] inline unsigned pool_blocks(const VolumeShape& x, const PoolGrid& g) {
  return static_cast<unsigned>(x.n * x.blocks() * g.cells_d) * g.tiles;
}

}  // namespace gpu

template <class T> void max_pool3d_forward(GpuQueue& q, const MaxPool3dArgs<T>& a) {
  const VolumeShape y = pooled(a.shape);
  const gpu::PoolGrid g = gpu::pool_grid<T>(a.shape, y.d, y.h, y.w);
  VOX_LAUNCH(q, (gpu::max_pool3d_kernel<T>), gpu::pool_blocks(a.shape, g), gpu::kPoolThreads, 0, a.x.data(), a.y.data(),
             a.winners.data(), g);
}

template <class T> void max_pool3d_backward(GpuQueue& q, const MaxPool3dGradArgs<T>& a) {
  const VolumeShape& s = a.shape;
  const std::int64_t cut = a.adds ? 0 : 1;
  const gpu::PoolGrid g = gpu::pool_grid<T>(s, (s.d + cut) / 2, (s.h + cut) / 2, a.adds ? s.w / 2 * 2 : s.w);
  VOX_LAUNCH(q, (gpu::max_pool3d_backward_kernel<T>), gpu::pool_blocks(s, g), gpu::kPoolThreads, 0, a.winners.data(),
             a.dy.data(), a.adds, a.dx.data(), g);
}

VOX_INSTANTIATE(GpuQueue, max_pool3d_forward, MaxPool3dArgs);
VOX_INSTANTIATE(GpuQueue, max_pool3d_backward, MaxPool3dGradArgs);

}  // namespace vox
