#include "kernels/shrink_labels.h"

#include "kernels/cuda/gpu.h"

namespace vox {
namespace gpu {

inline constexpr int kShrinkThreads = 256;

/// A thread per label of y. Blocks are counted (plane of y, tile of the plane).
template <class T>
__global__ void shrink_labels_kernel(const T* x, T* y, int height, int width, int factor, unsigned tiles) {
  wait_for_launches_before();
  const std::int64_t plane = blockIdx.x / tiles;
  const int at = static_cast<int>(blockIdx.x % tiles * kShrinkThreads + threadIdx.x);
  if (at >= height * width) { return; }
  const int h = at / width * factor + factor / 2;
  const int w = at % width * factor + factor / 2;
  const int row = width * factor;
  const T* const from = x + (plane * factor + factor / 2) * (static_cast<std::int64_t>(height) * factor * row);
  y[plane * (height * width) + at] = from[h * row + w];
}

}  // namespace gpu

template <class T> void shrink_labels(GpuQueue& q, const ShrinkLabelsArgs<T>& a) {
  const VolumeShape& s = a.shape;
  if (a.y.empty()) { return; }
  const unsigned tiles = gpu::blocks_for(s.h * s.w, gpu::kShrinkThreads);
  VOX_LAUNCH(q, (gpu::shrink_labels_kernel<T>), static_cast<unsigned>(s.n * s.d) * tiles, gpu::kShrinkThreads, 0,
             a.x.data(), a.y.data(), static_cast<int>(s.h), static_cast<int>(s.w), static_cast<int>(a.factor), tiles);
}

template void shrink_labels(GpuQueue&, const ShrinkLabelsArgs<std::uint8_t>&);

}  // namespace vox
