#pragma once

#include <cstdint>
#include <span>

#include "kernels/cuda/gpu.h"

/// Element-wise kernels: each thread takes 16 bytes, the last one what is left. Memory-bound, so that is all they need.
namespace vox::gpu {

inline constexpr int kElementThreads = 256;

/// y[e] = f(x[e])
template <class T, class F> __global__ void map1_kernel(const T* x, T* y, std::int64_t count, F f) {
  wait_for_launches_before();
  constexpr int kLane = kWide<T>;
  const std::int64_t first = (static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x) * kLane;
  if (first + kLane <= count) {
    Acc<T> v[kLane];
    unpack<T>(load_words(x + first), v);
    VOX_UNROLL
    for (int i = 0; i < kLane; ++i) { v[i] = f(v[i]); }
    store_wide(y + first, v);
  } else {
    for (std::int64_t e = first; e < count; ++e) { y[e] = store<T>(f(load(x[e]))); }
  }
}

/// y[e] = f(a[e], b[e])
template <class T, class F> __global__ void map2_kernel(const T* a, const T* b, T* y, std::int64_t count, F f) {
  wait_for_launches_before();
  constexpr int kLane = kWide<T>;
  const std::int64_t first = (static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x) * kLane;
  if (first + kLane <= count) {
    const Words of_a = load_words(a + first);
    const Words of_b = load_words(b + first);
    Acc<T> v[kLane];
    Acc<T> w[kLane];
    unpack<T>(of_a, v);
    unpack<T>(of_b, w);
    VOX_UNROLL
    for (int i = 0; i < kLane; ++i) { v[i] = f(v[i], w[i]); }
    store_wide(y + first, v);
  } else {
    for (std::int64_t e = first; e < count; ++e) { y[e] = store<T>(f(load(a[e]), load(b[e]))); }
  }
}

template <class T> [[nodiscard]] unsigned element_blocks(std::span<T> y) {
  constexpr int kLane = kWide<std::remove_const_t<T>>;
  return blocks_for((static_cast<std::int64_t>(y.size()) + kLane - 1) / kLane, kElementThreads);
}

template <class T, class F> void map(GpuQueue& q, std::span<const T> x, std::span<T> y, F f) {
  if (y.empty()) { return; }
  VOX_LAUNCH(q, (map1_kernel<T, F>), element_blocks(y), kElementThreads, 0, x.data(), y.data(), std::ssize(y), f);
}

template <class T, class F> void map(GpuQueue& q, std::span<const T> a, std::span<const T> b, std::span<T> y, F f) {
  if (y.empty()) { return; }
  VOX_LAUNCH(q, (map2_kernel<T, F>), element_blocks(y), kElementThreads, 0, a.data(), b.data(), y.data(), std::ssize(y),
             f);
}

}  // namespace vox::gpu
