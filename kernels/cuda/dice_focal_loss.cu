#include "kernels/dice_focal_loss.h"

#include "kernels/cuda/classes.cuh"
#include "kernels/cuda/focal.cuh"
#include "kernels/cuda/loss_rows.cuh"
#include "kernels/cuda/softmax.cuh"

namespace vox {
namespace gpu {

/// All sums of a chunk, from logits and labels: one block per chunk of a case, one thread per voxel and turn. Up to
/// eight channels are read once; of more, all are read again for each block of them. LANES 4: there are at most four.
template <class T, bool kOneBlock, int LANES>
__global__ void dice_focal_chunks_kernel(const T* x, const std::uint8_t* labels, ClassTable table, DiceFocalTerms terms,
                                         Focal<Acc<T>> focal, double* partials, ChunkGrid grid, int channels) {
  wait_for_launches_before();
  using A = Acc<T>;
  VOX_SHARED(A, weights, [kMostClasses]);
  weights[threadIdx.x] = static_cast<A>(table.of[threadIdx.x]);
  __syncthreads();
  const Chunk chunk = this_chunk(grid);
  const int t = static_cast<int>(threadIdx.x);
  const std::int64_t stride = grid.voxels * kLossLanes;
  double* const rows = partials + blockIdx.x * dice_focal_rows(grid.blocks) * kLossLanes;
  double* const last = rows + grid.blocks * kDiceRows * kLossLanes;
  const bool focal_wanted = terms.focal != 0;
  const bool entropy_wanted = terms.cross_entropy != 0;
  A of_labels[kDiceRows] = {};
  for (int b = 0; b < static_cast<int>(grid.blocks); ++b) {
    A sums[kDiceRows][LANES]{};
    for (int v = t; v < chunk.voxels; v += kChunkThreads) {
      const int label = labels[chunk.label + v];
      VoxelSoftmax<T, kOneBlock, LANES> voxel(x + chunk.at + v * kLossLanes, stride, channels);
      const auto& e = voxel.exponentials(b);
      const A inverse = inverted(voxel.sum());
      const int hit = label - b * kLossLanes;
      A p_label = 0;
      A below_top = 0;
      VOX_UNROLL
      for (int c = 0; c < LANES; ++c) {
        const A p = e[c] * inverse;
        sums[0][c] += p;
        if (c == hit) {
          sums[1][c] += p;
          sums[2][c] += A{1};
          p_label = p;
          below_top = voxel.below_top()[c];
        }
      }
      const A weight = weights[label];
      if (hit < 0 || hit >= kLossLanes || weight == 0) { continue; }
      const A log_p = below_top - std::log(voxel.sum());
      if (focal_wanted) { of_labels[0] += weight * focal.value(p_label, log_p); }
      if (entropy_wanted) { of_labels[1] -= weight * log_p; }
      of_labels[2] += weight;
    }
    if constexpr (LANES == 4) {
      A columns[16] = {};
      VOX_UNROLL
      for (int i = 0; i < 12; ++i) { columns[i] = sums[i / 4][i % 4]; }
      VOX_UNROLL
      for (int k = 0; k < kDiceRows; ++k) { columns[12 + k] = of_labels[k]; }
      const double total = column_sums(columns);
      if (t < 16) {
        (t < 12 ? rows + t / 4 * kLossLanes : last)[t % 4] = total;
        (t < 12 ? rows + t / 4 * kLossLanes : last)[t % 4 + 4] = 0;
      }
    } else {
      A columns[2][16] = {};
      VOX_UNROLL
      for (int i = 0; i < 24; ++i) { columns[i / 16][i % 16] = sums[i / 8][i % 8]; }
      VOX_UNROLL
      for (int k = 0; k < kDiceRows; ++k) { columns[1][8 + k] = of_labels[k]; }
      VOX_UNROLL
      for (int half = 0; half < 2; ++half) {
        const double total = column_sums(columns[half]);
        if (t < 16 && half * 2 + t / 8 < kDiceRows) { rows[(b * kDiceRows + half * 2) * kLossLanes + t] = total; }
        if (t >= 8 && t < 16 && half == 1 && b + 1 == static_cast<int>(grid.blocks)) { last[t - 8] = total; }
      }
    }
  }
}

__device__ __forceinline__ DiceFocalSums group_sums(const double* sums, std::int64_t blocks, std::int64_t group) {
  return {.rows = sums + group * dice_focal_rows(blocks) * kBlock8, .blocks = blocks};
}

/// The loss from the sums of the cases, by one block: one thread per group and class and turn.
template <class A>
__global__ void dice_focal_score_kernel(const double* case_sums, int cases, ClassTable weights, DiceFocalTerms terms,
                                        int channels, int blocks, double* sums, A* loss) {
  wait_for_launches_before();
  add_cases(case_sums, sums, cases, static_cast<int>(terms.groups),
            static_cast<int>(dice_focal_rows(blocks)) * kLossLanes);
  double total[kDiceRows] = {};
  const int groups = static_cast<int>(terms.groups);
  for (int i = static_cast<int>(threadIdx.x); i < groups * channels; i += kChunkThreads) {
    const DiceFocalSums of = group_sums(sums, blocks, i / channels);
    const int c = i % channels;
    if (c >= terms.dice_from) { total[0] += weights.of[c] * of.over(c, terms.smooth) / of.under(c, terms.smooth); }
  }
  for (int g = static_cast<int>(threadIdx.x); g < groups; g += kChunkThreads) {
    const DiceFocalSums of = group_sums(sums, blocks, g);
    total[1] += of.focal();
    total[2] += of.mean_entropy();
  }
  block_sum(total);
  if (threadIdx.x == 0) { loss[0] = static_cast<A>(dice_focal_loss_of(terms, total[0], total[1], total[2])); }
}

/// dx: one thread per voxel and turn, the probabilities recomputed; each thread first works out one class's gradients.
template <class T, bool kOneBlock, int LANES>
__global__ void dice_focal_backward_kernel(const T* x, const std::uint8_t* labels, ClassTable weights,
                                           DiceFocalTerms terms, Focal<Acc<T>> focal, const double* sums,
                                           const Acc<T>* dy, T* dx, GradientGrid grid, int channels) {
  wait_for_launches_before();
  using A = Acc<T>;
  VOX_SHARED(A, miss, [kMostClasses]);
  VOX_SHARED(A, more, [kMostClasses]);
  VOX_SHARED(A, focal_factor, [kMostClasses]);
  VOX_SHARED(A, entropy, [kMostClasses]);
  const std::int64_t n = blockIdx.x / grid.blocks_of_case;
  const std::int64_t first = static_cast<std::int64_t>(blockIdx.x % grid.blocks_of_case) * grid.voxels_of_block;
  const std::int64_t left = grid.voxels - first;
  const int count = static_cast<int>(left < grid.voxels_of_block ? left : grid.voxels_of_block);
  const int t = static_cast<int>(threadIdx.x);
  ClassGradient of_class;
  if (t < channels) {
    of_class = class_gradient(terms, group_sums(sums, grid.channel_blocks, terms.groups == 1 ? 0 : n), t, weights.of[t],
                              static_cast<double>(dy[0]));
  }
  miss[t] = static_cast<A>(of_class.miss);
  more[t] = static_cast<A>(of_class.more);
  focal_factor[t] = static_cast<A>(of_class.focal);
  entropy[t] = static_cast<A>(of_class.entropy);
  __syncthreads();
  const std::int64_t stride = grid.voxels * kLossLanes;
  const T* const x_first = x + (n * grid.channel_blocks * grid.voxels + first) * kLossLanes;
  T* const dx_first = dx + (n * grid.channel_blocks * grid.voxels + first) * kLossLanes;
  const std::uint8_t* const labels_first = labels + n * grid.voxels + first;
  for (int v = t; v < count; v += kChunkThreads) {
    const int label = labels_first[v];
    const T* const at = x_first + v * kLossLanes;
    VoxelSoftmax<T, kOneBlock, LANES> voxel(at, stride, channels);
    const A inverse = inverted(voxel.sum());
    A below_top = 0;
    if constexpr (kOneBlock) {
      VOX_UNROLL
      for (int c = 0; c < LANES; ++c) { below_top = c == label ? voxel.below_top()[c] : below_top; }
    } else {
      below_top = load(at[label / kLossLanes * stride + label % kLossLanes]) - voxel.top();
    }
    const A p_label = raised(below_top) * inverse;
    A at_label = more[label];
    if (focal_factor[label] != 0) {
      at_label += focal_factor[label] * focal.slope(p_label, below_top - std::log(voxel.sum()));
    }
    const A of_entropy = entropy[label];
    A mean = p_label * at_label;
    for (int b = 0; b < voxel.blocks(); ++b) {
      const auto& e = voxel.exponentials(b);
      VOX_UNROLL
      for (int c = 0; c < LANES; ++c) { mean += e[c] * inverse * miss[b * kLossLanes + c]; }
    }
    for (int b = 0; b < voxel.blocks(); ++b) {
      const auto& e = voxel.exponentials(b);
      A out[kLossLanes] = {};
      VOX_UNROLL
      for (int c = 0; c < LANES; ++c) {
        const bool hit = b * kLossLanes + c == label;
        const A p = e[c] * inverse;
        const A g = miss[b * kLossLanes + c] + (hit ? at_label : A{0}) - mean;
        out[c] = p * g + of_entropy * (p - (hit ? A{1} : A{0}));
      }
      store_lanes(dx_first + v * kLossLanes + b * stride, out);
    }
  }
}

template <class T, bool kOneBlock, int LANES> void dice_focal_chunks(GpuQueue& q, const DiceFocalSumsArgs<T>& a) {
  const ChunkGrid grid = case_grid(a.shape);
  VOX_LAUNCH(q, (dice_focal_chunks_kernel<T, kOneBlock, LANES>), grid.count, kChunkThreads, 0, a.x.data(),
             a.labels.data(), class_table(a.weights), a.terms, focal_of<Acc<T>>(a.terms.gamma, a.terms.clip),
             a.partials.data(), grid, static_cast<int>(a.shape.c));
}

template <class T, bool kOneBlock, int LANES> void dice_focal_gradient(GpuQueue& q, const DiceFocalLossGradArgs<T>& a) {
  const GradientGrid grid = gradient_grid(a.shape);
  VOX_LAUNCH(q, (dice_focal_backward_kernel<T, kOneBlock, LANES>), grid.count(a.shape), kChunkThreads, 0, a.x.data(),
             a.labels.data(), class_table(a.weights), a.terms, focal_of<Acc<T>>(a.terms.gamma, a.terms.clip),
             a.sums.data(), a.dy.data(), a.dx.data(), grid, static_cast<int>(a.shape.c));
}

}  // namespace gpu

template <class T> void dice_focal_case_sums(GpuQueue& q, const DiceFocalSumsArgs<T>& a) {
  const VolumeShape& s = a.shape;
  if (s.c <= 4) {
    gpu::dice_focal_chunks<T, true, 4>(q, a);
  } else if (s.c <= kBlock8) {
    gpu::dice_focal_chunks<T, true, 8>(q, a);
  } else {
    gpu::dice_focal_chunks<T, false, 8>(q, a);
  }
  const auto rows = static_cast<unsigned>(dice_focal_rows(s.blocks()));
  const std::int64_t chunks = chunks_of_cases(s).per_row();
  VOX_LAUNCH(q, gpu::loss_rows_kernel<double>, static_cast<unsigned>(s.n) * rows, gpu::fold_threads(chunks), 0,
             a.partials.data(), a.case_sums.data(), rows, static_cast<unsigned>(chunks));
}

template <class T> void dice_focal_loss_forward(GpuQueue& q, const DiceFocalLossArgs<T>& a) {
  const std::int64_t blocks = channel_blocks(a.channels);
  const std::int64_t cases = std::ssize(a.case_sums) / (dice_focal_rows(blocks) * kBlock8);
  VOX_LAUNCH(q, (gpu::dice_focal_score_kernel<Acc<T>>), 1, gpu::kChunkThreads, 0, a.case_sums.data(),
             static_cast<int>(cases), gpu::class_table(a.weights), a.terms, static_cast<int>(a.channels),
             static_cast<int>(blocks), a.sums.data(), a.loss.data());
}

template <class T> void dice_focal_loss_backward(GpuQueue& q, const DiceFocalLossGradArgs<T>& a) {
  if (a.shape.c <= 4) {
    gpu::dice_focal_gradient<T, true, 4>(q, a);
  } else if (a.shape.c <= kBlock8) {
    gpu::dice_focal_gradient<T, true, 8>(q, a);
  } else {
    gpu::dice_focal_gradient<T, false, 8>(q, a);
  }
}

VOX_INSTANTIATE(GpuQueue, dice_focal_case_sums, DiceFocalSumsArgs);
VOX_INSTANTIATE(GpuQueue, dice_focal_loss_forward, DiceFocalLossArgs);
VOX_INSTANTIATE(GpuQueue, dice_focal_loss_backward, DiceFocalLossGradArgs);

}  // namespace vox
