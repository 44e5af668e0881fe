#include "kernels/dropout.h"

#include "kernels/cuda/elementwise.cuh"
#include "kernels/cuda/philox.cuh"

namespace vox {
namespace gpu {

inline constexpr int kNumbers = 4;  // of one Philox call
/// Elements of one thread: whole calls, and 16 bytes at least.
template <class T> inline constexpr int kDropoutLane = kWide<T> > kNumbers ? kWide<T> : kNumbers;

template <class T> struct Dropout {
  PhiloxKeys keys;
  std::uint32_t largest_dropped;
  Acc<T> scale;

  __device__ Acc<T> operator()(Acc<T> x, std::uint32_t random) const {
    return random > largest_dropped ? x * scale : Acc<T>{0};
  }
};

/// y[e] = 0 or scale * x[e], as number e of the key's stream says: thread i takes elements [i, i+1) * kDropoutLane.
template <class T> __global__ void dropout_kernel(const T* x, T* y, std::int64_t count, Dropout<T> drop) {
  wait_for_launches_before();
  constexpr int kLane = kDropoutLane<T>;
  const std::uint32_t step = drop.keys.step_now();
  const std::int64_t first = (static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x) * kLane;
  if (first + kLane <= count) {
    constexpr int kPiece = kWide<T>;
    Acc<T> v[kLane / kPiece][kPiece];
    VOX_UNROLL
    for (int p = 0; p < kLane / kPiece; ++p) { unpack<T>(load_words(x + first + p * kPiece), v[p]); }
    VOX_UNROLL
    for (int i = 0; i < kLane; i += kNumbers) {
      const Philox4 random = drop.keys.random4(static_cast<std::uint64_t>(first + i) / kNumbers, step);
      VOX_UNROLL
      for (int k = i; k < i + kNumbers; ++k) {
        v[k / kPiece][k % kPiece] = drop(v[k / kPiece][k % kPiece], random.v[k - i]);
      }
    }
    VOX_UNROLL
    for (int p = 0; p < kLane / kPiece; ++p) { store_wide(y + first + p * kPiece, v[p]); }
    return;
  }
  for (std::int64_t group = first; group < count; group += kNumbers) {
    const Philox4 random = drop.keys.random4(static_cast<std::uint64_t>(group) / kNumbers, step);
    VOX_UNROLL
    for (int k = 0; k < kNumbers; ++k) {
      if (group + k < count) { y[group + k] = store<T>(drop(load(x[group + k]), random.v[k])); }
    }
  }
}

}  // namespace gpu

template <class T> void dropout_forward(GpuQueue& q, const DropoutArgs<T>& a) {
  constexpr int kLane = gpu::kDropoutLane<T>;
  const std::int64_t count = std::ssize(a.y);
  if (count == 0) { return; }
  const gpu::Dropout<T> drop{.keys = gpu::philox_keys(a.key, a.step_there),
                             .largest_dropped = largest_dropped_number(a.p),
                             .scale = static_cast<Acc<T>>(1 / (1 - a.p))};
  VOX_LAUNCH(q, (gpu::dropout_kernel<T>), gpu::blocks_for((count + kLane - 1) / kLane, gpu::kElementThreads),
             gpu::kElementThreads, 0, a.x.data(), a.y.data(), count, drop);
}

VOX_INSTANTIATE(GpuQueue, dropout_forward, DropoutArgs);

}  // namespace vox
