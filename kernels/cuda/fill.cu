#include "kernels/fill.h"

#include "kernels/cuda/elementwise.cuh"

namespace vox {
namespace gpu {

template <class T> __global__ void fill_kernel(Acc<T> value, T* y, std::int64_t count) {
  wait_for_launches_before();
  constexpr int kLane = kWide<T>;
  const std::int64_t first = (static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x) * kLane;
  if (first + kLane <= count) {
    Acc<T> v[kLane];
    VOX_UNROLL
    for (int i = 0; i < kLane; ++i) { v[i] = value; }
    store_wide(y + first, v);
  } else {
    VOX_NO_UNROLL
    for (std::int64_t e = first; e < count; ++e) { y[e] = store<T>(value); }
  }
}

}  // namespace gpu

template <class T> void fill_forward(GpuQueue& q, const FillArgs<T>& a) {
  if (a.y.empty()) { return; }
  VOX_LAUNCH(q, (gpu::fill_kernel<T>), gpu::element_blocks(a.y), gpu::kElementThreads, 0, a.value, a.y.data(),
             std::ssize(a.y));
}

VOX_INSTANTIATE(GpuQueue, fill_forward, FillArgs);

}  // namespace vox
