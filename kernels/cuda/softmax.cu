#include "kernels/softmax.h"

#include "kernels/cuda/softmax.cuh"

namespace vox {
namespace gpu {

/// y = exp(x - top) / sum: one thread per voxel.
template <class T, bool kOneBlock> __global__ void softmax_kernel(const T* x, T* y, ChunkGrid grid, int channels) {
  wait_for_launches_before();
  constexpr int kLanes = static_cast<int>(kBlock8);
  const Chunk chunk = this_chunk(grid);
  const std::int64_t stride = grid.voxels * kLanes;
  for (int v = static_cast<int>(threadIdx.x); v < chunk.voxels; v += kChunkThreads) {
    const std::int64_t at = chunk.at + v * kLanes;
    VoxelSoftmax<T, kOneBlock> voxel(x + at, stride, channels);
    const Acc<T> inverse = Acc<T>{1} / voxel.sum();
    for (int b = 0; b < voxel.blocks(); ++b) {
      const auto& e = voxel.exponentials(b);
      Acc<T> out[kLanes];
      VOX_UNROLL
      for (int c = 0; c < kLanes; ++c) { out[c] = e[c] * inverse; }
      store_lanes(y + at + b * stride, out);
    }
  }
}

/// dx = y * (dy - sum over c of y * dy): one thread per voxel; what it reads twice is still in the cache.
template <class T> __global__ void softmax_backward_kernel(const T* y, const T* dy, T* dx, ChunkGrid grid) {
  wait_for_launches_before();
  constexpr int kLanes = static_cast<int>(kBlock8);
  const Chunk chunk = this_chunk(grid);
  const std::int64_t stride = grid.voxels * kLanes;
  for (int v = static_cast<int>(threadIdx.x); v < chunk.voxels; v += kChunkThreads) {
    const std::int64_t at = chunk.at + v * kLanes;
    Acc<T> mean = 0;
    for (unsigned b = 0; b < grid.blocks; ++b) {
      const Pack<T, kLanes> p = load_pack<kLanes>(y + at + b * stride);
      const Pack<T, kLanes> d = load_pack<kLanes>(dy + at + b * stride);
      VOX_UNROLL
      for (int c = 0; c < kLanes; ++c) { mean += load(p.v[c]) * load(d.v[c]); }
    }
    for (unsigned b = 0; b < grid.blocks; ++b) {
      const Pack<T, kLanes> p = load_pack<kLanes>(y + at + b * stride);
      const Pack<T, kLanes> d = load_pack<kLanes>(dy + at + b * stride);
      Acc<T> out[kLanes];
      VOX_UNROLL
      for (int c = 0; c < kLanes; ++c) { out[c] = load(p.v[c]) * (load(d.v[c]) - mean); }
      store_lanes(dx + at + b * stride, out);
    }
  }
}

}  // namespace gpu

template <class T> void softmax_forward(GpuQueue& q, const SoftmaxArgs<T>& a) {
  const gpu::ChunkGrid grid = gpu::case_grid(a.shape);
  const auto channels = static_cast<int>(a.shape.c);
  if (a.shape.c <= kBlock8) {
    VOX_LAUNCH(q, (gpu::softmax_kernel<T, true>), grid.count, gpu::kChunkThreads, 0, a.x.data(), a.y.data(), grid,
               channels);
  } else {
    VOX_LAUNCH(q, (gpu::softmax_kernel<T, false>), grid.count, gpu::kChunkThreads, 0, a.x.data(), a.y.data(), grid,
               channels);
  }
}

template <class T> void softmax_backward(GpuQueue& q, const SoftmaxGradArgs<T>& a) {
  const gpu::ChunkGrid grid = gpu::case_grid(a.shape);
  VOX_LAUNCH(q, (gpu::softmax_backward_kernel<T>), grid.count, gpu::kChunkThreads, 0, a.y.data(), a.dy.data(),
             a.dx.data(), grid);
}

VOX_INSTANTIATE(GpuQueue, softmax_forward, SoftmaxArgs);
VOX_INSTANTIATE(GpuQueue, softmax_backward, SoftmaxGradArgs);

}  // namespace vox
