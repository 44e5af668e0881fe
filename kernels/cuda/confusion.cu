#include "kernels/confusion.h"

#include "kernels/cuda/gpu.h"

namespace vox {
namespace gpu {

inline constexpr int kConfusionThreads = 256;

/// One block counts one chunk, in shared memory: integers, so in any order.
template <class T>
__global__ void confusion_chunk_kernel(const T* truth, const T* predicted, std::int64_t voxels, int classes,
                                       double* partials) {
  wait_for_launches_before();
  VOX_SHARED(unsigned, counts, [kConfusionClasses * kConfusionClasses]);
  const int cells = classes * classes;
  for (int c = static_cast<int>(threadIdx.x); c < cells; c += kConfusionThreads) { counts[c] = 0; }
  __syncthreads();
  const std::int64_t first = static_cast<std::int64_t>(blockIdx.x) * kConfusionChunk;
  const int size = static_cast<int>(voxels - first < kConfusionChunk ? voxels - first : kConfusionChunk);
  for (int v = static_cast<int>(threadIdx.x); v < size; v += kConfusionThreads) {
    atomicAdd(&counts[truth[first + v] * classes + predicted[first + v]], 1U);
  }
  __syncthreads();
  double* const out = partials + static_cast<std::int64_t>(blockIdx.x) * cells;
  for (int c = static_cast<int>(threadIdx.x); c < cells; c += kConfusionThreads) {
    out[c] = static_cast<double>(counts[c]);
  }
}

/// counts[c] = the sum over chunks; a thread each.
template <class T> __global__ void confusion_sum_kernel(const double* partials, int chunks, int cells, T* counts) {
  wait_for_launches_before();
  const int c = static_cast<int>(threadIdx.x);
  if (c >= cells) { return; }
  double sum = 0;
  for (int i = 0; i < chunks; ++i) { sum += partials[static_cast<std::int64_t>(i) * cells + c]; }
  counts[c] = sum;
}

}  // namespace gpu

template <class T> void confusion(GpuQueue& q, const ConfusionArgs<T>& a) {
  const int classes = static_cast<int>(a.classes);
  const int cells = classes * classes;
  const std::int64_t chunks = (std::ssize(a.truth) + kConfusionChunk - 1) / kConfusionChunk;
  if (chunks > 0) {
    VOX_LAUNCH(q, (gpu::confusion_chunk_kernel<T>), static_cast<unsigned>(chunks), gpu::kConfusionThreads, 0,
               a.truth.data(), a.predicted.data(), std::ssize(a.truth), classes, a.partials.data());
  }
  VOX_LAUNCH(q, (gpu::confusion_sum_kernel<double>), 1, gpu::kConfusionThreads, 0, a.partials.data(),
             static_cast<int>(chunks), cells, a.counts.data());
}

template void confusion(GpuQueue&, const ConfusionArgs<std::uint8_t>&);

}  // namespace vox
