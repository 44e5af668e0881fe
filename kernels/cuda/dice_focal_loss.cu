#include "kernels/dice_focal_loss.h"

#include "kernels/cuda/classes.cuh"
#include "kernels/cuda/focal.cuh"
#include "kernels/cuda/reduce.cuh"
#include "kernels/cuda/softmax.cuh"

namespace vox {
namespace gpu {

inline constexpr int kLossLanes = static_cast<int>(kBlock8);

/// All sums of a chunk, from logits and labels: one block per chunk of a case, one thread per voxel and turn. Up to
/// eight channels are read once; of more, all are read again for each block of them.
template <class T, bool kOneBlock>
__global__ void dice_focal_chunks_kernel(const T* x, const std::uint8_t* labels, ClassTable table, DiceFocalTerms terms,
                                         Focal<Acc<T>> focal, double* partials, ChunkGrid grid, int channels) {
  using A = Acc<T>;
  VOX_SHARED(double, weights, [kMostClasses]);
  weights[threadIdx.x] = table.of[threadIdx.x];
  __syncthreads();
  const Chunk chunk = this_chunk(grid);
  const int t = static_cast<int>(threadIdx.x);
  const std::int64_t stride = grid.voxels * kLossLanes;
  double* const rows = partials + blockIdx.x * dice_focal_rows(grid.blocks) * kLossLanes;
  double of_labels[kDiceRows] = {};
  for (int b = 0; b < static_cast<int>(grid.blocks); ++b) {
    A sums[kDiceRows][1][kLossLanes]{};
    for (int v = t; v < chunk.voxels; v += kChunkThreads) {
      const T* const at = x + chunk.at + v * kLossLanes;
      VoxelSoftmax<T, kOneBlock> voxel(at, stride, channels);
      const auto& e = voxel.exponentials(b);
      const A inverse = A{1} / voxel.sum();
      const int label = labels[chunk.label + v];
      const int hit = label - b * kLossLanes;
      A p_label = 0;
      VOX_UNROLL
      for (int c = 0; c < kLossLanes; ++c) {
        const A p = e[c] * inverse;
        const A p_hit = c == hit ? p : A{0};
        sums[0][0][c] += p;
        sums[1][0][c] += p_hit;
        sums[2][0][c] += c == hit ? A{1} : A{0};
        p_label += p_hit;
      }
      const double weight = weights[label];
      if (hit < 0 || hit >= kLossLanes || weight == 0) { continue; }
      if (terms.focal != 0) { of_labels[0] += weight * static_cast<double>(focal.value(p_label)); }
      if (terms.cross_entropy != 0) {
        of_labels[1] +=
            weight * static_cast<double>(std::log(voxel.sum()) - (load(at[b * stride + hit]) - voxel.top()));
      }
      of_labels[2] += weight;
    }
    VOX_UNROLL
    for (int k = 0; k < kDiceRows; ++k) {
      const double total = lane_sums(sums[k]);
      if (t < kLossLanes) { rows[(b * kDiceRows + k) * kLossLanes + t] = total; }
    }
  }
  block_sum(of_labels);
  if (t != 0) { return; }
  double* const last = rows + grid.blocks * kDiceRows * kLossLanes;
  VOX_UNROLL
  for (int k = 0; k < kLossLanes; ++k) { last[k] = k < kDiceRows ? of_labels[k < kDiceRows ? k : 0] : 0; }
}

/// Adds up a row of a group's chunks: one block per group and row, eight lanes times blockDim.x / 8 threads.
__global__ void dice_focal_sums_kernel(const double* partials, double* sums, unsigned rows, unsigned chunks_of_group) {
  const unsigned group = blockIdx.x / rows;
  const unsigned row = blockIdx.x % rows;
  const unsigned lane = threadIdx.x % kLossLanes;
  const std::int64_t first = static_cast<std::int64_t>(group) * chunks_of_group;
  double sum[1] = {0};
  for (unsigned i = threadIdx.x / kLossLanes; i < chunks_of_group; i += blockDim.x / kLossLanes) {
    sum[0] += partials[((first + i) * rows + row) * kLossLanes + lane];
  }
  sum_over_lane_threads(sum);
  if (threadIdx.x < kLossLanes) { sums[static_cast<std::int64_t>(blockIdx.x) * kLossLanes + lane] = sum[0]; }
}

__device__ __forceinline__ DiceFocalSums group_sums(const double* sums, std::int64_t blocks, std::int64_t group) {
  return {.rows = sums + group * dice_focal_rows(blocks) * kBlock8, .blocks = blocks};
}

/// The loss from the sums, by one block: one thread per group and class and turn.
template <class A>
__global__ void dice_focal_score_kernel(const double* sums, ClassTable weights, DiceFocalTerms terms, int channels,
                                        int blocks, A* loss) {
  double total[kDiceRows] = {};
  const int groups = static_cast<int>(terms.groups);
  for (int i = static_cast<int>(threadIdx.x); i < groups * channels; i += kChunkThreads) {
    const DiceFocalSums of = group_sums(sums, blocks, i / channels);
    const int c = i % channels;
    total[0] += weights.of[c] * of.over(c, terms.smooth) / of.under(c, terms.smooth);
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
template <class T, bool kOneBlock>
__global__ void dice_focal_backward_kernel(const T* x, const std::uint8_t* labels, ClassTable weights,
                                           DiceFocalTerms terms, Focal<Acc<T>> focal, const double* sums,
                                           const Acc<T>* dy, T* dx, ChunkGrid grid, int channels) {
  using A = Acc<T>;
  VOX_SHARED(A, miss, [kMostClasses]);
  VOX_SHARED(A, more, [kMostClasses]);
  VOX_SHARED(A, focal_factor, [kMostClasses]);
  VOX_SHARED(A, entropy, [kMostClasses]);
  const Chunk chunk = this_chunk(grid);
  const int t = static_cast<int>(threadIdx.x);
  ClassGradient of_class;
  if (t < channels) {
    of_class = class_gradient(terms, group_sums(sums, grid.blocks, terms.groups == 1 ? 0 : chunk.n), t, weights.of[t],
                              static_cast<double>(dy[0]));
  }
  miss[t] = static_cast<A>(of_class.miss);
  more[t] = static_cast<A>(of_class.more);
  focal_factor[t] = static_cast<A>(of_class.focal);
  entropy[t] = static_cast<A>(of_class.entropy);
  __syncthreads();
  const std::int64_t stride = grid.voxels * kLossLanes;
  for (int v = t; v < chunk.voxels; v += kChunkThreads) {
    const std::int64_t at = chunk.at + v * kLossLanes;
    const int label = labels[chunk.label + v];
    VoxelSoftmax<T, kOneBlock> voxel(x + at, stride, channels);
    const A inverse = A{1} / voxel.sum();
    const A logit = load(x[at + label / kLossLanes * stride + label % kLossLanes]);
    const A p_label = std::exp(logit - voxel.top()) * inverse;
    A at_label = more[label];
    if (focal_factor[label] != 0) { at_label += focal_factor[label] * focal.slope(p_label); }
    A mean = p_label * at_label;
    for (int b = 0; b < voxel.blocks(); ++b) {
      const auto& e = voxel.exponentials(b);
      VOX_UNROLL
      for (int c = 0; c < kLossLanes; ++c) { mean += e[c] * inverse * miss[b * kLossLanes + c]; }
    }
    for (int b = 0; b < voxel.blocks(); ++b) {
      const auto& e = voxel.exponentials(b);
      Pack<T, kLossLanes> out;
      VOX_UNROLL
      for (int c = 0; c < kLossLanes; ++c) {
        const bool hit = b * kLossLanes + c == label;
        const A p = e[c] * inverse;
        const A g = miss[b * kLossLanes + c] + (hit ? at_label : A{0}) - mean;
        out.v[c] = store<T>(p * g + entropy[label] * (p - (hit ? A{1} : A{0})));
      }
      store_pack(dx + at + b * stride, out);
    }
  }
}

template <class T, bool kOneBlock> void dice_focal_chunks(GpuQueue& q, const DiceFocalLossArgs<T>& a) {
  const ChunkGrid grid = case_grid(a.shape);
  VOX_LAUNCH(q, (dice_focal_chunks_kernel<T, kOneBlock>), grid.count, kChunkThreads, 0, a.x.data(), a.labels.data(),
             class_table(a.weights), a.terms, focal_of<Acc<T>>(a.terms.gamma, a.terms.clip), a.partials.data(), grid,
             static_cast<int>(a.shape.c));
}

template <class T, bool kOneBlock> void dice_focal_gradient(GpuQueue& q, const DiceFocalLossGradArgs<T>& a) {
  const ChunkGrid grid = case_grid(a.shape);
  VOX_LAUNCH(q, (dice_focal_backward_kernel<T, kOneBlock>), grid.count, kChunkThreads, 0, a.x.data(), a.labels.data(),
             class_table(a.weights), a.terms, focal_of<Acc<T>>(a.terms.gamma, a.terms.clip), a.sums.data(), a.dy.data(),
             a.dx.data(), grid, static_cast<int>(a.shape.c));
}

}  // namespace gpu

template <class T> void dice_focal_loss_forward(GpuQueue& q, const DiceFocalLossArgs<T>& a) {
  const VolumeShape& s = a.shape;
  s.c <= kBlock8 ? gpu::dice_focal_chunks<T, true>(q, a) : gpu::dice_focal_chunks<T, false>(q, a);
  const auto groups = static_cast<unsigned>(a.terms.groups);
  const auto rows = static_cast<unsigned>(dice_focal_rows(s.blocks()));
  const std::int64_t chunks = chunks_of_cases(s).count() / a.terms.groups;
  VOX_LAUNCH(q, gpu::dice_focal_sums_kernel, groups * rows, gpu::fold_threads(chunks), 0, a.partials.data(),
             a.sums.data(), rows, static_cast<unsigned>(chunks));
  VOX_LAUNCH(q, (gpu::dice_focal_score_kernel<Acc<T>>), 1, gpu::kChunkThreads, 0, a.sums.data(),
             gpu::class_table(a.weights), a.terms, static_cast<int>(s.c), static_cast<int>(s.blocks()), a.loss.data());
}

template <class T> void dice_focal_loss_backward(GpuQueue& q, const DiceFocalLossGradArgs<T>& a) {
  a.shape.c <= kBlock8 ? gpu::dice_focal_gradient<T, true>(q, a) : gpu::dice_focal_gradient<T, false>(q, a);
}

VOX_INSTANTIATE(GpuQueue, dice_focal_loss_forward, DiceFocalLossArgs);
VOX_INSTANTIATE(GpuQueue, dice_focal_loss_backward, DiceFocalLossGradArgs);

}  // namespace vox
