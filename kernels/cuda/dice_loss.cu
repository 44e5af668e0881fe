#include "kernels/dice_loss.h"

#include "kernels/cuda/classes.cuh"
#include "kernels/cuda/reduce.cuh"

namespace vox {
namespace gpu {

inline constexpr int kDiceLanes = static_cast<int>(kBlock8);

/// The three sums of a chunk, lane by lane: one block per chunk of a block of channels, 16 bytes per thread and turn.
template <class T>
__global__ void dice_chunks_kernel(const T* p, const std::uint8_t* labels, double* partials, ChunkGrid grid) {
  wait_for_launches_before();
  constexpr int kLane = kWide<T>;
  const Chunk chunk = this_chunk(grid);
  const int t = static_cast<int>(threadIdx.x);
  const int first_class = static_cast<int>(chunk.block) * kDiceLanes + t * kLane % kDiceLanes;
  Acc<T> sums[kDiceSums][kLane]{};
  for (int i = t; i < chunk.voxels * kPieces<T>; i += kChunkThreads) {
    const Pack<T, kLane> v = load_pack<kLane>(p + chunk.at + i * kLane);
    const int hit = labels[chunk.label + i / kPieces<T>] - first_class;
    VOX_UNROLL
    for (int j = 0; j < kLane; ++j) {
      const Acc<T> value = load(v.v[j]);
      sums[0][j] += value;
      sums[1][j] += hit == j ? value : Acc<T>{0};
      sums[2][j] += hit == j ? Acc<T>{1} : Acc<T>{0};
    }
  }
  const double total = lane_sums(sums);
  if (t < kDiceSums * kDiceLanes) {
    partials[static_cast<std::int64_t>(blockIdx.x) * kDiceSums * kDiceLanes + t] = total;
  }
}

struct ClassSums {
  double p;
  double hits;
  double labels;

  [[nodiscard]] __device__ double over(double smooth) const { return 2 * hits + smooth; }
  [[nodiscard]] __device__ double under(double smooth) const { return p + labels + smooth; }
};

__device__ __forceinline__ ClassSums sums_of(const double* sums, std::int64_t row) {
  const double* const s = sums + row * kDiceSums;
  return {.p = s[0], .hits = s[1], .labels = s[2]};
}

/// Adds up the chunks' sums: one block per group of cases and block of channels.
__global__ void dice_sums_kernel(const double* partials, double* sums, ChunkGrid grid, unsigned cases_of_group,
                                 int channels) {
  wait_for_launches_before();
  const unsigned block = blockIdx.x % grid.blocks;
  const unsigned group = blockIdx.x / grid.blocks;
  double sum[kDiceSums] = {};
  over_partials<kDiceSums>({.of_chunks = partials,
                            .grid = grid,
                            .block = block,
                            .first_case = group * cases_of_group,
                            .cases = cases_of_group},
                           [&](const double* chunk, std::int64_t) {
                             VOX_UNROLL
                             for (int k = 0; k < kDiceSums; ++k) { sum[k] += chunk[k * kDiceLanes]; }
                           });
  sum_over_lane_threads(sum);
  if (static_cast<int>(threadIdx.x) >= channels_in(channels, block)) { return; }
  const std::int64_t row = static_cast<std::int64_t>(group) * channels + block * kDiceLanes + threadIdx.x;
  VOX_UNROLL
  for (int k = 0; k < kDiceSums; ++k) { sums[row * kDiceSums + k] = sum[k]; }
}

/// The loss from the sums: one thread per group and class and turn.
template <class A>
__global__ void dice_score_kernel(const double* sums, ClassTable weights, int rows, int channels, double smooth,
                                  double terms, A* loss) {
  wait_for_launches_before();
  double score[1] = {0};
  for (int row = static_cast<int>(threadIdx.x); row < rows; row += kChunkThreads) {
    const ClassSums k = sums_of(sums, row);
    score[0] += weights.of[row % channels] * k.over(smooth) / k.under(smooth);
  }
  block_sum(score);
  if (threadIdx.x == 0) { loss[0] = static_cast<A>(1 - score[0] / terms); }
}

/// What the gradient needs besides the labels.
struct DiceGradient {
  ClassTable weights;
  double smooth;
  double terms;        ///< of the mean
  unsigned case_step;  ///< rows of sums from one case to the next: 0 where the batch is one group
  int channels;
};

/// dp is one of two values per class and group: eight threads work them out, then one block writes its chunk, 16 bytes
/// per thread and turn.
template <class T>
__global__ void dice_backward_kernel(const std::uint8_t* labels, const double* sums, const Acc<T>* dy, T* dp,
                                     DiceGradient a, ChunkGrid grid) {
  wait_for_launches_before();
  constexpr int kLane = kWide<T>;
  VOX_SHARED(T, hit, [kDiceLanes]);
  VOX_SHARED(T, miss, [kDiceLanes]);
  const Chunk chunk = this_chunk(grid);
  const int t = static_cast<int>(threadIdx.x);
  if (t < kDiceLanes) {
    hit[t] = T{};
    miss[t] = T{};
    if (t < channels_in(a.channels, chunk.block)) {
      const int channel = static_cast<int>(chunk.block) * kDiceLanes + t;
      const ClassSums k = sums_of(sums, static_cast<std::int64_t>(chunk.n) * a.case_step + channel);
      const double share = -static_cast<double>(dy[0]) / a.terms;
      const double weight = share * a.weights.of[channel] / k.under(a.smooth);
      const double score = k.over(a.smooth) / k.under(a.smooth);
      hit[t] = store<T>(static_cast<Acc<T>>(weight * (2 - score)));
      miss[t] = store<T>(static_cast<Acc<T>>(weight * -score));
    }
  }
  __syncthreads();
  const int lane = t * kLane % kDiceLanes;
  const int first_class = static_cast<int>(chunk.block) * kDiceLanes + lane;
  for (int i = t; i < chunk.voxels * kPieces<T>; i += kChunkThreads) {
    const int label = labels[chunk.label + i / kPieces<T>] - first_class;
    Pack<T, kLane> out;
    VOX_UNROLL
    for (int j = 0; j < kLane; ++j) { out.v[j] = label == j ? hit[lane + j] : miss[lane + j]; }
    store_whole(dp + chunk.at + i * kLane, out);
  }
}

}  // namespace gpu

template <class T> void dice_loss_forward(GpuQueue& q, const DiceLossArgs<T>& a) {
  const VolumeShape& s = a.shape;
  const gpu::ChunkGrid grid = gpu::block_grid(s);
  const std::int64_t cases = a.groups == 1 ? s.n : 1;
  const auto channels = static_cast<int>(s.c);
  VOX_LAUNCH(q, (gpu::dice_chunks_kernel<T>), grid.count, gpu::kChunkThreads, 0, a.p.data(), a.labels.data(),
             a.partials.data(), grid);
  VOX_LAUNCH(q, gpu::dice_sums_kernel, grid.blocks * static_cast<unsigned>(a.groups),
             gpu::fold_threads(cases * grid.per_row), 0, a.partials.data(), a.sums.data(), grid,
             static_cast<unsigned>(cases), channels);
  VOX_LAUNCH(q, (gpu::dice_score_kernel<Acc<T>>), 1, gpu::kChunkThreads, 0, a.sums.data(), gpu::class_table(a.weights),
             static_cast<int>(a.groups) * channels, channels, a.smooth, static_cast<double>(a.groups * a.counted),
             a.loss.data());
}

template <class T> void dice_loss_backward(GpuQueue& q, const DiceLossGradArgs<T>& a) {
  const VolumeShape& s = a.shape;
  const gpu::ChunkGrid grid = gpu::block_grid(s);
  const gpu::DiceGradient gradient{.weights = gpu::class_table(a.weights),
                                   .smooth = a.smooth,
                                   .terms = static_cast<double>(a.groups * a.counted),
                                   .case_step = a.groups == 1 ? 0U : static_cast<unsigned>(s.c),
                                   .channels = static_cast<int>(s.c)};
  VOX_LAUNCH(q, (gpu::dice_backward_kernel<T>), grid.count, gpu::kChunkThreads, 0, a.labels.data(), a.sums.data(),
             a.dy.data(), a.dp.data(), gradient, grid);
}

VOX_INSTANTIATE(GpuQueue, dice_loss_forward, DiceLossArgs);
VOX_INSTANTIATE(GpuQueue, dice_loss_backward, DiceLossGradArgs);

}  // namespace vox
