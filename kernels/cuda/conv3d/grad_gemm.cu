#include "kernels/cuda/conv3d/gemm.cuh"

#include <type_traits>

// Weight gradient of side-by-side windows: for each tap [channels of y x voxels] x [voxels x channels of x]. Thread
// block = 32 channels of y, 16 of x, all taps and a share of the voxels, in stages of kStageVoxels through shared
// memory, two of them on their way; threads that copy neighbouring fine voxels are neighbours. 2^3: warp = one tap.
// 1^3: warp = every eighth part of the voxels, added up in order at the end. bf16: 2 m16 by 2 n8 tiles on tensor cores,
// both operands transposed by ldmatrix. f32, f64: thread = 4 by 4 channels.

namespace vox::gpu {

inline constexpr int kGradGemmThreads = 256;
inline constexpr int kGradOut = 32;
inline constexpr int kGradIn = 16;

template <class T> struct GradGemmArgs {
  const T* x;
  const T* dy;
  Acc<T>* partial;      ///< [shares][groups][input_groups][taps][kGradIn][kGradOut]
  std::int64_t stages;  ///< of all cases
  int d;                ///< of the coarse side
  int h;
  int w;
  int in_blocks;
  int out_blocks;
  int groups;
  int input_groups;
  int shares;
  int stages_per_case;
};

/// Shared memory of one stage, in cells of 16 bytes: dy [cell][voxel], then x [tap][cell][voxel].
template <class T, int KERNEL> struct GradGemm {
  using Cell = Pack<T, kWide<T>>;
  static constexpr int kKernel = KERNEL;
  static constexpr int kTaps = KERNEL * KERNEL * KERNEL;
  static constexpr int kStageVoxels = (KERNEL == 1 ? 256 : 64) * 2 / static_cast<int>(sizeof(T));
  static constexpr int kStride = kStageVoxels + 1;  ///< from cell to cell: odd, so that lanes keep to their banks
  static constexpr int kDyCells = kGradOut / kWide<T>;
  static constexpr int kXCells = kGradIn / kWide<T>;  ///< of a tap
  static constexpr int kStageCells = (kDyCells + kTaps * kXCells) * kStride;
  static constexpr int kWarpsPerTap = 8 / kTaps;
  static constexpr int kSums = 16;  ///< of a thread: 32 lanes have 32x16
  static constexpr int kSumBytes = kWarpsPerTap > 1 ? 8 * 32 * kSums* static_cast<int>(sizeof(Acc<T>)) : 0;
  static constexpr int kStages = 3;
  static constexpr int kRingBytes = kStages * kStageCells * 16;
  static constexpr std::size_t kSharedBytes = kSumBytes > kRingBytes ? kSumBytes : kRingBytes;
};

/// Starts copying one stage: voxels [first, first+kStageVoxels) of case n, zero beyond the last and for missing blocks.
template <class T, class Grad>
__device__ __forceinline__ void copy_stage(typename Grad::Cell* to, const GradGemmArgs<T>& a, std::int64_t n, int first,
                                           int group, int input_group) {
  constexpr int kV = Grad::kStageVoxels;
  constexpr int kK = Grad::kKernel;
  constexpr int kPerBlock = 8 / kWide<T>;  // cells
  const int thread = static_cast<int>(threadIdx.x);
  const std::int64_t coarse = static_cast<std::int64_t>(a.d) * a.h * a.w;
  const int left = static_cast<int>(coarse) - first;  // voxels
  const T* const dy = a.dy + ((n * a.out_blocks + group * 4) * coarse + first) * 8;
  VOX_UNROLL
  for (int j = 0; j < Grad::kDyCells * kV / kGradGemmThreads; ++j) {
    const int i = j * kGradGemmThreads + thread;
    const int voxel = i / kPerBlock % kV;
    const int block = i / kPerBlock / kV;
    const bool there = voxel < left && group * 4 + block < a.out_blocks;
    cp_async_zfill<16>(to + (block * kPerBlock + i % kPerBlock) * Grad::kStride + voxel,
                       dy + (there ? block * coarse * 8 + voxel * 8 + i % kPerBlock * kWide<T> : 0), there ? 16 : 0);
  }
  constexpr int kRow = kPerBlock * kK;  // cells of a coarse voxel that lie in a row
  to += Grad::kDyCells * Grad::kStride;
  VOX_UNROLL
  for (int j = 0; j < 2 * kRow * kV / kGradGemmThreads; ++j) {
    const int i = j * kGradGemmThreads + thread;
    const int of_block = i / (kRow * kV);
    const int voxel = i / kRow % kV;
    const int kw = i % kRow / kPerBlock;
    const int part = i % kPerBlock;
    const int block = input_group * 2 + of_block;
    const bool there = voxel < left && block < a.in_blocks;
    const int fine = fine_voxel(there ? first + voxel : 0, kK, a.h, a.w) + kw;
    const T* const x = a.x + (n * a.in_blocks + (there ? block : 0)) * coarse * (Grad::kTaps * 8) + part * kWide<T>;
    VOX_UNROLL
    for (int k = 0; k < kK * kK; ++k) {  // (kd, kh)
      const int at = fine + tap_offset(k * kK, kK, a.h, a.w);
      cp_async_zfill<16>(to + ((k * kK + kw) * Grad::kXCells + of_block * kPerBlock + part) * Grad::kStride + voxel,
                         x + at * 8, there ? 16 : 0);
    }
  }
}

/// sums += the products of one stage, of the warp's tap and part of the voxels.
template <class T, class Grad>
__device__ __forceinline__ void add_stage(const typename Grad::Cell* dy, const typename Grad::Cell* x, int part,
                                          int lane, Acc<T> (&sums)[4][4]) {
  constexpr int kV = Grad::kStageVoxels;
  if constexpr (std::is_same_v<T, Bf16>) {
    const auto* const g = dy + lane / 8 % 2 * Grad::kStride + lane / 16 * 8 + lane % 8;
    const auto* const v = x + lane / 16 * Grad::kStride + lane / 8 % 2 * 8 + lane % 8;
    VOX_UNROLL
    for (int k = part * 16; k < kV; k += 16 * Grad::kWarpsPerTap) {
      std::uint32_t b[4];
      ldmatrix_x4_trans(b, v + k);
      const std::uint32_t low[2] = {b[0], b[1]};
      const std::uint32_t high[2] = {b[2], b[3]};
      VOX_UNROLL
      for (int m = 0; m < 2; ++m) {
        std::uint32_t f[4];
        ldmatrix_x4_trans(f, g + m * 2 * Grad::kStride + k);
        mma_m16n8k16_bf16(sums[2 * m], f, low, sums[2 * m]);
        mma_m16n8k16_bf16(sums[2 * m + 1], f, high, sums[2 * m + 1]);
      }
    }
  } else {
    constexpr int kCells = 4 / kWide<T>;  // of four channels
    const auto* const g = dy + lane % 8 * kCells * Grad::kStride;
    const auto* const v = x + lane / 8 * kCells * Grad::kStride;
    for (int k = part; k < kV; k += Grad::kWarpsPerTap) {
      T out[4];
      T in[4];
      VOX_UNROLL
      for (int c = 0; c < 4; ++c) {
        out[c] = g[c / kWide<T> * Grad::kStride + k].v[c % kWide<T>];
        in[c] = v[c / kWide<T> * Grad::kStride + k].v[c % kWide<T>];
      }
      VOX_UNROLL
      for (int e = 0; e < 16; ++e) { sums[e / 4][e % 4] += out[e % 4] * in[e / 4]; }
    }
  }
}

/// Channel of y and of x of a thread's sum e.
template <class T> __device__ __forceinline__ int sum_place(int lane, int e) {
  int out = 0;
  int in = 0;
  if constexpr (std::is_same_v<T, Bf16>) {
    out = e / 8 * 16 + e / 2 % 2 * 8 + lane / 4;
    in = e / 4 % 2 * 8 + lane % 4 * 2 + e % 2;
  } else {
    out = lane % 8 * 4 + e % 4;
    in = lane / 8 * 4 + e / 4;
  }
  return in * kGradOut + out;
}

template <class T, class Grad>
__global__ void __launch_bounds__(kGradGemmThreads, 2) grad_weight_gemm_kernel(GradGemmArgs<T> a) {
  wait_for_launches_before();
  using A = Acc<T>;
  using Cell = typename Grad::Cell;
  static_assert(Grad::kSharedBytes <= kSharedBytesEverywhere);
  VOX_DYNAMIC_SHARED(Cell, shared);
  const int lane = static_cast<int>(threadIdx.x) % 32;
  const int warp = static_cast<int>(threadIdx.x) / 32;
  const int tap = warp / Grad::kWarpsPerTap;
  const int input_group = static_cast<int>(blockIdx.x) % a.input_groups;
  const int group = static_cast<int>(blockIdx.x) / a.input_groups % a.groups;
  const std::int64_t share = static_cast<int>(blockIdx.x) / a.input_groups / a.groups;
  const std::int64_t first = a.stages * share / a.shares;
  const int count = static_cast<int>(a.stages * (share + 1) / a.shares - first);
  std::int64_t n = first / a.stages_per_case;  // of the next stage to copy
  int of_case = static_cast<int>(first % a.stages_per_case);
  int slot = 0;
  int copied = 0;
  const auto copy = [&] {
    if (copied < count) {
      copy_stage<T, Grad>(shared + slot * Grad::kStageCells, a, n, of_case * Grad::kStageVoxels, group, input_group);
      ++copied;
      ++of_case;
      if (of_case == a.stages_per_case) {
        of_case = 0;
        ++n;
      }
      slot = slot + 1 == Grad::kStages ? 0 : slot + 1;
    }
    cp_async_commit();
  };
  A sums[4][4] = {};
  VOX_NO_UNROLL
  for (int i = 1; i < Grad::kStages; ++i) { copy(); }
  int from = 0;
  VOX_NO_UNROLL
  for (int i = 0; i < count; ++i) {
    cp_async_wait<Grad::kStages - 2>();
    __syncthreads();
    copy();
    const Cell* const dy = shared + from * Grad::kStageCells;
    from = from + 1 == Grad::kStages ? 0 : from + 1;
    add_stage<T, Grad>(dy, dy + (Grad::kDyCells + tap * Grad::kXCells) * Grad::kStride, warp % Grad::kWarpsPerTap, lane,
                       sums);
  }
  A* const partial = a.partial + (static_cast<std::int64_t>(blockIdx.x) * Grad::kTaps + tap) * (kGradIn * kGradOut);
  if constexpr (Grad::kWarpsPerTap == 1) {
    VOX_UNROLL
    for (int e = 0; e < Grad::kSums; ++e) { partial[sum_place<T>(lane, e)] = sums[e / 4][e % 4]; }
  } else {
    A* const handed = reinterpret_cast<A*>(shared);
    __syncthreads();  // the stages have been read
    VOX_UNROLL
    for (int e = 0; e < Grad::kSums; ++e) { handed[(warp * Grad::kSums + e) * 32 + lane] = sums[e / 4][e % 4]; }
    __syncthreads();
    VOX_UNROLL
    for (int j = 0; j < 2; ++j) {  // each warp adds two of the sixteen
      const int e = warp * 2 + j;
      A total{0};
      for (int w = 0; w < 8; ++w) { total += handed[(w * Grad::kSums + e) * 32 + lane]; }
      partial[sum_place<T>(lane, e)] = total;
    }
  }
}

template <class Grad, class T> void launch_grad_gemm(GpuQueue& q, GradGemmArgs<T> a, std::int64_t cases) {
  a.stages_per_case = static_cast<int>(ceil_div(static_cast<std::int64_t>(a.d) * a.h * a.w, Grad::kStageVoxels));
  a.stages = cases * a.stages_per_case;
  const auto blocks = static_cast<unsigned>(a.shares * a.groups * a.input_groups);
  VOX_LAUNCH(q, (grad_weight_gemm_kernel<T, Grad>), blocks, kGradGemmThreads, Grad::kSharedBytes, a);
}

template <class T> void grad_weight_gemm(GpuQueue& q, const Conv3dGradWeightArgs<T>& a) {
  const Conv3dGeometry& g = a.geometry;
  const Conv3dGradGemm m = conv3d_grad_gemm(g);
  const GradGemmArgs<T> args{.x = a.x.data(),
                             .dy = a.dy.data(),
                             .partial = a.scratch.data(),
                             .stages = 0,
                             .d = static_cast<int>(g.y.d),
                             .h = static_cast<int>(g.y.h),
                             .w = static_cast<int>(g.y.w),
                             .in_blocks = static_cast<int>(g.x.blocks()),
                             .out_blocks = static_cast<int>(g.y.blocks()),
                             .groups = static_cast<int>(m.groups),
                             .input_groups = static_cast<int>(m.input_groups),
                             .shares = static_cast<int>(m.shares()),
                             .stages_per_case = 0};
  if (g.kernel == 1) {
    launch_grad_gemm<GradGemm<T, 1>>(q, args, g.y.n);
  } else {
    launch_grad_gemm<GradGemm<T, 2>>(q, args, g.y.n);
  }
  sum_partials(q, Partials<Acc<T>>{.partial = a.scratch.data(),
                                   .dweight = a.dweight.data(),
                                   .cases = static_cast<int>(g.y.n),
                                   .shares = static_cast<int>(m.shares_of_case),
                                   .taps = static_cast<int>(m.taps),
                                   .in_channels = static_cast<int>(g.x.c),
                                   .out_channels = static_cast<int>(g.y.c),
                                   .in_group = kGradIn,
                                   .out_group = kGradOut});
}

VOX_INSTANTIATE(GpuQueue, grad_weight_gemm, Conv3dGradWeightArgs);

}  // namespace vox::gpu
