#include "kernels/focal_loss.h"

#include "kernels/cuda/classes.cuh"
#include "kernels/cuda/focal.cuh"
#include "kernels/cuda/reduce.cuh"

namespace vox {
namespace gpu {

/// Element of a voxel's channel c.
__device__ __forceinline__ std::int64_t at_channel(const Chunk& chunk, const ChunkGrid& grid, int v, int c) {
  return chunk.at + (c / kBlock8 * grid.voxels + v) * kBlock8 + c % kBlock8;
}

/// The chunk's part of the loss: one thread per voxel, which reads its label and that class's probability.
template <class T>
__global__ void focal_chunks_kernel(const T* p, const std::uint8_t* labels, ClassTable table, Focal<Acc<T>> focal,
                                    double* partials, ChunkGrid grid) {
  wait_for_launches_before();
  VOX_SHARED(double, factors, [kMostClasses]);
  factors[threadIdx.x] = table.of[threadIdx.x];
  __syncthreads();
  const Chunk chunk = this_chunk(grid);
  double sum[1] = {0};
  for (int v = static_cast<int>(threadIdx.x); v < chunk.voxels; v += kChunkThreads) {
    const int label = labels[chunk.label + v];
    const double factor = factors[label];
    if (factor == 0) { continue; }
    sum[0] += factor * static_cast<double>(focal.value(load(p[at_channel(chunk, grid, v, label)])));
  }
  block_sum(sum);
  if (threadIdx.x == 0) { partials[blockIdx.x] = sum[0]; }
}

/// dp: one thread per voxel, which writes all its channels.
template <class T>
__global__ void focal_backward_kernel(const T* p, const std::uint8_t* labels, ClassTable table, Focal<Acc<T>> focal,
                                      const Acc<T>* dy, T* dp, ChunkGrid grid) {
  wait_for_launches_before();
  constexpr int kLanes = static_cast<int>(kBlock8);
  VOX_SHARED(Acc<T>, factors, [kMostClasses]);
  factors[threadIdx.x] = static_cast<Acc<T>>(static_cast<double>(dy[0]) * table.of[threadIdx.x]);
  __syncthreads();
  const Chunk chunk = this_chunk(grid);
  for (int v = static_cast<int>(threadIdx.x); v < chunk.voxels; v += kChunkThreads) {
    const int label = labels[chunk.label + v];
    const Acc<T> factor = factors[label];
    const T slope = factor != 0 ? store<T>(factor * focal.slope(load(p[at_channel(chunk, grid, v, label)]))) : T{};
    for (int b = 0; b < static_cast<int>(grid.blocks); ++b) {
      Pack<T, kLanes> out;
      VOX_UNROLL
      for (int c = 0; c < kLanes; ++c) { out.v[c] = b * kLanes + c == label ? slope : T{}; }
      store_whole(dp + chunk.at + (b * grid.voxels + v) * kBlock8, out);
    }
  }
}

}  // namespace gpu

template <class T> void focal_loss_forward(GpuQueue& q, const FocalLossArgs<T>& a) {
  const gpu::ChunkGrid grid = gpu::case_grid(a.shape);
  VOX_LAUNCH(q, (gpu::focal_chunks_kernel<T>), grid.count, gpu::kChunkThreads, 0, a.p.data(), a.labels.data(),
             gpu::class_table(a.factors), gpu::focal_of<Acc<T>>(a.gamma, a.clip), a.partials.data(), grid);
  VOX_LAUNCH(q, (gpu::sum_of_chunks_kernel<Acc<T>>), 1, gpu::kChunkThreads, 0, a.partials.data(),
             std::ssize(a.partials), 1.0, a.loss.data());
}

template <class T> void focal_loss_backward(GpuQueue& q, const FocalLossGradArgs<T>& a) {
  const gpu::ChunkGrid grid = gpu::case_grid(a.shape);
  VOX_LAUNCH(q, (gpu::focal_backward_kernel<T>), grid.count, gpu::kChunkThreads, 0, a.p.data(), a.labels.data(),
             gpu::class_table(a.factors), gpu::focal_of<Acc<T>>(a.gamma, a.clip), a.dy.data(), a.dp.data(), grid);
}

VOX_INSTANTIATE(GpuQueue, focal_loss_forward, FocalLossArgs);
VOX_INSTANTIATE(GpuQueue, focal_loss_backward, FocalLossGradArgs);

}  // namespace vox
