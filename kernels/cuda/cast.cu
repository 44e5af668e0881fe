#include "kernels/cast.h"

#include "kernels/cuda/elementwise.cuh"

namespace vox {
namespace gpu {

/// y[e] = x[e]: each thread takes as many values as fill 16 bytes of the narrower type, the last one what is left.
template <class T, class To> __global__ void cast_kernel(const T* x, To* y, std::int64_t count) {
  wait_for_launches_before();
  constexpr int kLane = kWide < T >> kWide<To> ? kWide<T> : kWide<To>;
  const std::int64_t first = (static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x) * kLane;
  if (first + kLane <= count) {
    const Pack<T, kLane> from = load_pack<kLane>(x + first);
    Pack<To, kLane> to;
    VOX_UNROLL
    for (int i = 0; i < kLane; ++i) { to.v[i] = store<To>(static_cast<Acc<To>>(load(from.v[i]))); }
    store_pack(y + first, to);
  } else {
    for (std::int64_t e = first; e < count; ++e) { y[e] = store<To>(static_cast<Acc<To>>(load(x[e]))); }
  }
}

template <class T, class To> void cast(GpuQueue& q, std::span<const T> x, std::span<To> y) {
  constexpr int kLane = kWide < T >> kWide<To> ? kWide<T> : kWide<To>;
  const std::int64_t count = std::ssize(y);
  if (count == 0) { return; }
  VOX_LAUNCH(q, (cast_kernel<T, To>), blocks_for((count + kLane - 1) / kLane, kElementThreads), kElementThreads, 0,
             x.data(), y.data(), count);
}

}  // namespace gpu

template <class T> void cast_forward(GpuQueue& q, const CastArgs<T>& a) {
  std::visit([&](auto to) { gpu::cast(q, a.x, to); }, a.y);
}

VOX_INSTANTIATE(GpuQueue, cast_forward, CastArgs);

}  // namespace vox
