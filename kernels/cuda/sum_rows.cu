#include "kernels/sum_rows.h"

#include "kernels/cuda/elementwise.cuh"

// Each thread takes 16 bytes of every row; what waits for its partner lies in local memory, which the L1 holds.

namespace vox {
namespace gpu {

struct Merges {
  std::uint8_t after[kMostRows];
};

template <class T> __global__ void sum_rows_kernel(const T* x, Merges merges, int rows, T* y, std::int64_t count) {
  wait_for_launches_before();
  constexpr int kLane = kWide<T>;
  const std::int64_t first = (static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x) * kLane;
  if (first >= count) { return; }
  const int there = count - first < kLane ? static_cast<int>(count - first) : kLane;
  const bool aligned = count % kLane == 0;  // else the rows after the first are not
  Pack<Acc<T>, kLane> pending[kMostPending];
  int depth = 0;
  Acc<T> v[kLane] = {};
  VOX_NO_UNROLL
  for (int r = 0; r < rows; ++r) {
    const T* const row = x + r * count + first;
    if (aligned) {
      unpack<T>(load_words(row), v);
    } else {
      VOX_UNROLL
      for (int i = 0; i < kLane; ++i) {
        if (i < there) { v[i] = load(row[i]); }
      }
    }
    VOX_NO_UNROLL
    for (int m = merges.after[r]; m > 0; --m) {
      --depth;
      VOX_UNROLL
      for (int i = 0; i < kLane; ++i) { v[i] = pending[depth].v[i] + v[i]; }
    }
    VOX_UNROLL
    for (int i = 0; i < kLane; ++i) { pending[depth].v[i] = v[i]; }
    ++depth;
  }
  if (aligned) {
    store_wide(y + first, v);
  } else {
    VOX_UNROLL
    for (int i = 0; i < kLane; ++i) {
      if (i < there) { y[first + i] = store<T>(v[i]); }
    }
  }
}

}  // namespace gpu

template <class T> void sum_rows(GpuQueue& q, const SumRowsArgs<T>& a) {
  const std::int64_t count = std::ssize(a.y);
  if (count == 0) { return; }
  gpu::Merges merges{};
  for (std::size_t r = 0; r < a.merges.size(); ++r) { merges.after[r] = a.merges[r]; }
  VOX_LAUNCH(q, (gpu::sum_rows_kernel<T>), gpu::element_blocks(a.y), gpu::kElementThreads, 0, a.x.data(), merges,
             static_cast<int>(a.rows), a.y.data(), count);
}

VOX_INSTANTIATE(GpuQueue, sum_rows, SumRowsArgs);

}  // namespace vox
