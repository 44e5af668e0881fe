#include "kernels/cross_entropy.h"

#include "kernels/cuda/classes.cuh"
#include "kernels/cuda/reduce.cuh"
#include "kernels/cuda/softmax.cuh"

namespace vox {
namespace gpu {

/// The chunk's sums of weight * -log softmax and of weight: one thread per voxel.
template <class T, bool kOneBlock>
__global__ void cross_entropy_chunks_kernel(const T* x, const std::uint8_t* labels, ClassTable table, double* partials,
                                            ChunkGrid grid, int channels) {
  wait_for_launches_before();
  VOX_SHARED(double, weights, [kMostClasses]);
  weights[threadIdx.x] = table.of[threadIdx.x];
  __syncthreads();
  const Chunk chunk = this_chunk(grid);
  const std::int64_t stride = grid.voxels * kBlock8;
  double sums[kCrossEntropySums] = {};
  for (int v = static_cast<int>(threadIdx.x); v < chunk.voxels; v += kChunkThreads) {
    const int label = labels[chunk.label + v];
    const double weight = weights[label];
    if (weight == 0) { continue; }
    const T* const at = x + chunk.at + v * kBlock8;
    const VoxelSoftmax<T, kOneBlock> voxel(at, stride, channels);
    const Acc<T> logit = load(at[label / kBlock8 * stride + label % kBlock8]);
    sums[0] += weight * static_cast<double>(std::log(voxel.sum()) - (logit - voxel.top()));
    sums[1] += weight;
  }
  block_sum(sums);
  if (threadIdx.x == 0) {
    VOX_UNROLL
    for (int k = 0; k < kCrossEntropySums; ++k) { partials[blockIdx.x * kCrossEntropySums + k] = sums[k]; }
  }
}

/// sums of one group from its chunks: one block per group.
__global__ void cross_entropy_sums_kernel(const double* partials, std::int64_t chunks_of_group, double* sums) {
  wait_for_launches_before();
  const double* const from = partials + blockIdx.x * chunks_of_group * kCrossEntropySums;
  double sum[kCrossEntropySums] = {};
  for (std::int64_t i = threadIdx.x; i < chunks_of_group; i += kChunkThreads) {
    VOX_UNROLL
    for (int k = 0; k < kCrossEntropySums; ++k) { sum[k] += from[i * kCrossEntropySums + k]; }
  }
  block_sum(sum);
  if (threadIdx.x == 0) {
    VOX_UNROLL
    for (int k = 0; k < kCrossEntropySums; ++k) { sums[blockIdx.x * kCrossEntropySums + k] = sum[k]; }
  }
}

/// The mean of the groups' means.
template <class A> __global__ void cross_entropy_mean_kernel(const double* sums, int groups, A* loss) {
  wait_for_launches_before();
  double total[1] = {0};
  for (int g = static_cast<int>(threadIdx.x); g < groups; g += kChunkThreads) {
    const double weight = sums[g * kCrossEntropySums + 1];
    if (weight != 0) { total[0] += sums[g * kCrossEntropySums] / weight; }
  }
  block_sum(total);
  if (threadIdx.x == 0) { loss[0] = static_cast<A>(total[0] / groups); }
}

/// dx = factor[label] * (softmax(x) - onehot(label)): one thread per voxel; the factors are worked out once per block.
template <class T, bool kOneBlock>
__global__ void cross_entropy_backward_kernel(const T* x, const std::uint8_t* labels, ClassTable weights,
                                              const double* sums, int groups, const Acc<T>* dy, T* dx, ChunkGrid grid,
                                              int channels) {
  wait_for_launches_before();
  constexpr int kLanes = static_cast<int>(kBlock8);
  VOX_SHARED(Acc<T>, factors, [kMostClasses]);
  const Chunk chunk = this_chunk(grid);
  const double weight = weights.of[threadIdx.x];
  const double share = static_cast<double>(dy[0]) / groups;
  const double total = sums[(groups == 1 ? 0 : chunk.n) * kCrossEntropySums + 1];
  factors[threadIdx.x] = static_cast<Acc<T>>(weight == 0 ? 0.0 : share * weight / total);
  __syncthreads();
  const std::int64_t stride = grid.voxels * kLanes;
  for (int v = static_cast<int>(threadIdx.x); v < chunk.voxels; v += kChunkThreads) {
    const std::int64_t at = chunk.at + v * kLanes;
    const int label = labels[chunk.label + v];
    const Acc<T> factor = factors[label];
    VoxelSoftmax<T, kOneBlock> voxel(x + at, stride, channels);
    const Acc<T> softmax_factor = factor / voxel.sum();
    for (int b = 0; b < voxel.blocks(); ++b) {
      const auto& e = voxel.exponentials(b);
      Pack<T, kLanes> out;
      VOX_UNROLL
      for (int c = 0; c < kLanes; ++c) {
        out.v[c] = store<T>(e[c] * softmax_factor - (b * kLanes + c == label ? factor : Acc<T>{0}));
      }
      store_whole(dx + at + b * stride, out);
    }
  }
}

template <class T, bool kOneBlock> void cross_entropy_chunks(GpuQueue& q, const CrossEntropyArgs<T>& a) {
  const ChunkGrid grid = case_grid(a.shape);
  VOX_LAUNCH(q, (cross_entropy_chunks_kernel<T, kOneBlock>), grid.count, kChunkThreads, 0, a.x.data(), a.labels.data(),
             class_table(a.weights), a.partials.data(), grid, static_cast<int>(a.shape.c));
}

template <class T, bool kOneBlock> void cross_entropy_gradient(GpuQueue& q, const CrossEntropyGradArgs<T>& a) {
  const ChunkGrid grid = case_grid(a.shape);
  VOX_LAUNCH(q, (cross_entropy_backward_kernel<T, kOneBlock>), grid.count, kChunkThreads, 0, a.x.data(),
             a.labels.data(), class_table(a.weights), a.sums.data(), static_cast<int>(a.groups), a.dy.data(),
             a.dx.data(), grid, static_cast<int>(a.shape.c));
}

}  // namespace gpu

template <class T> void cross_entropy_forward(GpuQueue& q, const CrossEntropyArgs<T>& a) {
  a.shape.c <= kBlock8 ? gpu::cross_entropy_chunks<T, true>(q, a) : gpu::cross_entropy_chunks<T, false>(q, a);
  const std::int64_t chunks = std::ssize(a.partials) / kCrossEntropySums;
  VOX_LAUNCH(q, gpu::cross_entropy_sums_kernel, static_cast<unsigned>(a.groups), gpu::kChunkThreads, 0,
             a.partials.data(), chunks / a.groups, a.sums.data());
  VOX_LAUNCH(q, (gpu::cross_entropy_mean_kernel<Acc<T>>), 1, gpu::kChunkThreads, 0, a.sums.data(),
             static_cast<int>(a.groups), a.loss.data());
}

template <class T> void cross_entropy_backward(GpuQueue& q, const CrossEntropyGradArgs<T>& a) {
  a.shape.c <= kBlock8 ? gpu::cross_entropy_gradient<T, true>(q, a) : gpu::cross_entropy_gradient<T, false>(q, a);
}

VOX_INSTANTIATE(GpuQueue, cross_entropy_forward, CrossEntropyArgs);
VOX_INSTANTIATE(GpuQueue, cross_entropy_backward, CrossEntropyGradArgs);

}  // namespace vox
