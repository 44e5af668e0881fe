#include "kernels/gradient_squares.h"

#include <cmath>

#include "kernels/cuda/tensor_table.cuh"

namespace vox {
namespace gpu {

template <class T> struct GradientEntry {
  const T* grad;
  std::int64_t count;
  unsigned first_chunk;  ///< of the launch: where this tensor's chunks begin
};

/// partials[i] = sum of squares of chunk i, in double: one block per chunk, 16 bytes per thread and turn.
template <class T>
__global__ void gradient_squares_chunks_kernel(TensorTable<GradientEntry<T>> table, double* partials) {
  wait_for_launches_before();
  constexpr int kLane = kWide<T>;
  const ChunkOfTensor chunk = this_chunk(table);
  const T* const grad = table.of[chunk.entry].grad + chunk.first;
  double sum[1] = {0};
  const auto add = [&](const T& g) { sum[0] += static_cast<double>(load(g)) * static_cast<double>(load(g)); };
  for_packs<T>(
      chunk.size,
      [&](int e) {
        const Pack<T, kLane> g = load_pack<kLane>(grad + e);
        VOX_UNROLL
        for (int i = 0; i < kLane; ++i) { add(g.v[i]); }
      },
      [&](int e) { add(grad[e]); });
  block_sum(sum);
  if (threadIdx.x == 0) { partials[blockIdx.x] = sum[0]; }
}

/// sums[k] = sum of the partials of tensor k of the table: one block per tensor.
template <class T>
__global__ void gradient_squares_kernel(TensorTable<GradientEntry<T>> table, const double* partials, double* sums) {
  wait_for_launches_before();
  const unsigned first = table.of[blockIdx.x].first_chunk;
  const auto chunks = static_cast<unsigned>((table.of[blockIdx.x].count + kTensorChunk - 1) / kTensorChunk);
  double sum[1] = {0};
  for (unsigned i = threadIdx.x; i < chunks; i += kTableThreads) { sum[0] += partials[first + i]; }
  block_sum(sum);
  if (threadIdx.x == 0) { sums[blockIdx.x] = sum[0]; }
}

}  // namespace gpu

template <class T> void gradient_squares(GpuQueue& q, const GradientSquaresArgs<T>& a) {
  using Entry = gpu::GradientEntry<T>;
  gpu::for_tables<Entry>(
      a.grads,
      [](std::span<const T> grad) { return Entry{.grad = grad.data(), .count = std::ssize(grad), .first_chunk = 0}; },
      [&](const gpu::TensorTable<Entry>& table, unsigned chunks, std::size_t first, std::int64_t at) {
        double* const partials = a.partials.data() + at;
        if (chunks > 0) {
          VOX_LAUNCH(q, (gpu::gradient_squares_chunks_kernel<T>), chunks, gpu::kTableThreads, 0, table, partials);
        }
        VOX_LAUNCH(q, (gpu::gradient_squares_kernel<T>), static_cast<unsigned>(table.tensors), gpu::kTableThreads, 0,
                   table, partials, a.sums.data() + first);
      });
}

VOX_INSTANTIATE(GpuQueue, gradient_squares, GradientSquaresArgs);

}  // namespace vox
