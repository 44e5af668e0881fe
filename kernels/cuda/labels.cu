#include "kernels/labels.h"

#include "kernels/cuda/gpu.h"

namespace vox {
namespace gpu {

inline constexpr int kLabelThreads = 256;

/// largest[i] = the largest label of chunk i: one block each, 16 bytes per thread and turn. The largest of integers is
/// the same in any order.
template <class T> __global__ void largest_label_kernel(const T* labels, std::int64_t count, T* largest) {
  constexpr int kLane = kWide<T>;
  const std::int64_t first = static_cast<std::int64_t>(blockIdx.x) * kLabelChunk;
  const int size = static_cast<int>(count - first < kLabelChunk ? count - first : kLabelChunk);
  const T* const chunk = labels + first;
  VOX_SHARED(unsigned, of_block, [1]);
  if (threadIdx.x == 0) { of_block[0] = 0; }
  __syncthreads();
  unsigned found = 0;
  for (int e = static_cast<int>(threadIdx.x) * kLane; e < size; e += kLabelThreads * kLane) {
    if (e + kLane <= size) {
      const Pack<T, kLane> v = load_pack<kLane>(chunk + e);
      VOX_UNROLL
      for (int i = 0; i < kLane; ++i) { found = found < v.v[i] ? v.v[i] : found; }
    } else {
      for (int i = e; i < size; ++i) { found = found < chunk[i] ? chunk[i] : found; }
    }
  }
  atomicMax(&of_block[0], found);
  __syncthreads();
  if (threadIdx.x == 0) { largest[blockIdx.x] = static_cast<T>(of_block[0]); }
}

}  // namespace gpu

template <class T> void largest_label(GpuQueue& q, const LargestLabelArgs<T>& a) {
  if (a.largest.empty()) { return; }
  VOX_LAUNCH(q, (gpu::largest_label_kernel<T>), static_cast<unsigned>(a.largest.size()), gpu::kLabelThreads, 0,
             a.labels.data(), std::ssize(a.labels), a.largest.data());
}

template void largest_label(GpuQueue&, const LargestLabelArgs<std::uint8_t>&);

}  // namespace vox
