#include "kernels/dice_bce_loss.h"

#include "kernels/cuda/loss_rows.cuh"
#include "kernels/cuda/softmax.cuh"

namespace vox {
namespace gpu {

inline constexpr int kRegionClasses = static_cast<int>(kMostRegionClasses);

/// The regions of each class, handed over with the launch.
struct RegionTable {
  std::uint32_t of[kRegionClasses];  // whole words: what is indexed by bytes is copied to local memory first
};

[[nodiscard]] inline RegionTable region_table(const RegionsOfClasses& regions_of) {
  RegionTable table{};
  for (std::size_t c = 0; c < regions_of.size(); ++c) { table.of[c] = regions_of[c]; }
  return table;
}

/// p = 1 / (1 + exp(-x)) without overflow; e = exp(-|x|).
template <class A> __device__ __forceinline__ A sigmoid(A x, A& e) {
  e = raised(x < 0 ? x : -x);
  const A of_positive = inverted(e + 1);
  return x < 0 ? e * of_positive : of_positive;
}

/// All sums of a chunk: one block per chunk of a case, one thread per voxel and turn. LANES 4: at most four regions.
template <class T, int LANES>
__global__ void dice_bce_chunks_kernel(const T* x, const std::uint8_t* labels, RegionTable table, double* partials,
                                       ChunkGrid grid) {
  wait_for_launches_before();
  using A = Acc<T>;
  VOX_SHARED(std::uint32_t, regions, [kRegionClasses]);
  const int t = static_cast<int>(threadIdx.x);
  if (t < kRegionClasses) { regions[t] = table.of[t]; }
  __syncthreads();
  const Chunk chunk = this_chunk(grid);
  double* const rows = partials + static_cast<std::int64_t>(blockIdx.x) * kDiceBceRows * kLossLanes;
  A sums[kDiceBceRows][LANES]{};
  for (int v = t; v < chunk.voxels; v += kChunkThreads) {
    const unsigned in = regions[labels[chunk.label + v]];
    const Pack<T, LANES> logits = load_pack<LANES>(x + chunk.at + v * kLossLanes);
    VOX_UNROLL
    for (int r = 0; r < LANES; ++r) {
      const A logit = load(logits.v[r]);
      const bool inside = ((in >> static_cast<unsigned>(r)) & 1U) != 0;
      A e;
      const A p = sigmoid(logit, e);
      const A wrong = inside ? -logit : logit;
      sums[0][r] += p;
      sums[1][r] += inside ? p : A{0};
      sums[2][r] += inside ? A{1} : A{0};
      sums[3][r] += std::log1p(e) + (wrong < 0 ? A{0} : wrong);
    }
  }
  constexpr int kColumns = 16;
  constexpr int kRowsAtOnce = kColumns / LANES;
  VOX_UNROLL
  for (int k = 0; k < kDiceBceRows; k += kRowsAtOnce) {
    A columns[kColumns];
    VOX_UNROLL
    for (int i = 0; i < kColumns; ++i) { columns[i] = sums[k + i / LANES][i % LANES]; }
    const double total = column_sums(columns);
    if (t < kColumns) {
      double* const row = rows + (k + t / LANES) * kLossLanes;
      row[t % LANES] = total;
      if constexpr (LANES < kLossLanes) { row[t % LANES + LANES] = 0; }
    }
  }
}

/// The loss from the sums of the cases, by one block: one thread per group and region and turn.
template <class A>
__global__ void dice_bce_score_kernel(const double* case_sums, int cases, DiceBceTerms terms, double* sums, A* loss) {
  wait_for_launches_before();
  add_cases(case_sums, sums, cases, static_cast<int>(terms.groups), static_cast<int>(kDiceBceRows) * kLossLanes);
  double total[1] = {};
  const int regions = static_cast<int>(terms.regions);
  const int all = static_cast<int>(terms.groups) * regions;
  for (int i = static_cast<int>(threadIdx.x); i < all; i += kChunkThreads) {
    total[0] +=
        dice_bce_loss_of(terms, sums + static_cast<std::int64_t>(i / regions) * kDiceBceRows * kLossLanes, i % regions);
  }
  block_sum(total);
  if (threadIdx.x == 0) { loss[0] = static_cast<A>(total[0]); }
}

/// dx: one thread per voxel and turn; of each block the first threads work out a region's gradient each.
template <class T, int LANES>
__global__ void dice_bce_backward_kernel(const T* x, const std::uint8_t* labels, RegionTable table, DiceBceTerms terms,
                                         const double* sums, const Acc<T>* dy, T* dx, GradientGrid grid) {
  wait_for_launches_before();
  using A = Acc<T>;
  VOX_SHARED(std::uint32_t, regions, [kRegionClasses]);
  VOX_SHARED(A, of_region, [3][kLossLanes]);
  const std::int64_t n = blockIdx.x / grid.blocks_of_case;
  const std::int64_t first = static_cast<std::int64_t>(blockIdx.x % grid.blocks_of_case) * grid.voxels_of_block;
  const std::int64_t left = grid.voxels - first;
  const int count = static_cast<int>(left < grid.voxels_of_block ? left : grid.voxels_of_block);
  const int t = static_cast<int>(threadIdx.x);
  if (t < kRegionClasses) { regions[t] = table.of[t]; }
  if (t < kLossLanes) {
    const double* const rows = sums + (terms.groups == 1 ? 0 : n) * kDiceBceRows * kLossLanes;
    const auto by = static_cast<double>(dy[0]);
    const bool present = t < static_cast<int>(terms.regions);  // 0 in padding lanes
    const RegionGradient g = present ? region_gradient(terms, rows, t, by) : RegionGradient{};
    of_region[0][t] = static_cast<A>(g.miss);
    of_region[1][t] = static_cast<A>(g.more);
    of_region[2][t] = static_cast<A>(present ? by * terms.bce : 0.0);
  }
  __syncthreads();
  A gradient[3][LANES];
  VOX_UNROLL
  for (int i = 0; i < 3 * LANES; ++i) { gradient[i / LANES][i % LANES] = of_region[i / LANES][i % LANES]; }
  const T* const x_first = x + (n * grid.voxels + first) * kLossLanes;
  T* const dx_first = dx + (n * grid.voxels + first) * kLossLanes;
  const std::uint8_t* const labels_first = labels + n * grid.voxels + first;
  for (int v = t; v < count; v += kChunkThreads) {
    const unsigned in = regions[labels_first[v]];
    const Pack<T, LANES> logits = load_pack<LANES>(x_first + v * kLossLanes);
    A out[kLossLanes] = {};
    VOX_UNROLL
    for (int r = 0; r < LANES; ++r) {
      const A y = ((in >> static_cast<unsigned>(r)) & 1U) != 0 ? A{1} : A{0};
      A e;
      const A p = sigmoid(load(logits.v[r]), e);
      out[r] = p * (1 - p) * (gradient[0][r] + gradient[1][r] * y) + gradient[2][r] * (p - y);
    }
    store_lanes(dx_first + v * kLossLanes, out);
  }
}

template <class T, int LANES> void dice_bce_chunks(GpuQueue& q, const DiceBceSumsArgs<T>& a) {
  const ChunkGrid grid = case_grid(a.shape);
  VOX_LAUNCH(q, (dice_bce_chunks_kernel<T, LANES>), grid.count, kChunkThreads, 0, a.x.data(), a.labels.data(),
             region_table(a.regions_of), a.partials.data(), grid);
}

template <class T, int LANES> void dice_bce_gradient(GpuQueue& q, const DiceBceLossGradArgs<T>& a) {
  const GradientGrid grid = gradient_grid(a.shape);
  VOX_LAUNCH(q, (dice_bce_backward_kernel<T, LANES>), grid.count(a.shape), kChunkThreads, 0, a.x.data(),
             a.labels.data(), region_table(a.regions_of), a.terms, a.sums.data(), a.dy.data(), a.dx.data(), grid);
}

}  // namespace gpu

template <class T> void dice_bce_case_sums(GpuQueue& q, const DiceBceSumsArgs<T>& a) {
  if (a.shape.c <= 4) {
    gpu::dice_bce_chunks<T, 4>(q, a);
  } else {
    gpu::dice_bce_chunks<T, 8>(q, a);
  }
  const auto rows = static_cast<unsigned>(kDiceBceRows);
  const std::int64_t chunks = chunks_of_cases(a.shape).per_row();
  VOX_LAUNCH(q, gpu::loss_rows_kernel<double>, static_cast<unsigned>(a.shape.n) * rows, gpu::fold_threads(chunks), 0,
             a.partials.data(), a.case_sums.data(), rows, static_cast<unsigned>(chunks));
}

template <class T> void dice_bce_loss_forward(GpuQueue& q, const DiceBceLossArgs<T>& a) {
  const std::int64_t cases = std::ssize(a.case_sums) / (kDiceBceRows * kBlock8);
  VOX_LAUNCH(q, (gpu::dice_bce_score_kernel<Acc<T>>), 1, gpu::kChunkThreads, 0, a.case_sums.data(),
             static_cast<int>(cases), a.terms, a.sums.data(), a.loss.data());
}

template <class T> void dice_bce_loss_backward(GpuQueue& q, const DiceBceLossGradArgs<T>& a) {
  if (a.terms.regions <= 4) {
    gpu::dice_bce_gradient<T, 4>(q, a);
  } else {
    gpu::dice_bce_gradient<T, 8>(q, a);
  }
}

VOX_INSTANTIATE(GpuQueue, dice_bce_case_sums, DiceBceSumsArgs);
VOX_INSTANTIATE(GpuQueue, dice_bce_loss_forward, DiceBceLossArgs);
VOX_INSTANTIATE(GpuQueue, dice_bce_loss_backward, DiceBceLossGradArgs);

}  // namespace vox
