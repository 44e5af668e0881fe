#include "kernels/moving_average.h"

#include <cmath>

#include "kernels/cuda/tensor_table.cuh"

namespace vox {
namespace gpu {

template <class T> struct MovingAverageEntry {
  T* average;
  const T* values;
  std::int64_t count;
  unsigned first_chunk;  ///< of the launch: where this tensor's chunks begin
};

/// One block per chunk, 16 bytes of each array per thread and turn.
template <class T>
__global__ void moving_average_kernel(TensorTable<MovingAverageEntry<T>> table, const double* squares,
                                      int squares_count, double given, const double* take_there) {
  wait_for_launches_before();
  constexpr int kLane = kWide<T>;
  using A = Acc<T>;
  if (!is_finite(gradient_norm(squares, squares_count))) { return; }
  const auto take = static_cast<A>(take_there != nullptr ? *take_there : given);
  const ChunkOfTensor chunk = this_chunk(table);
  T* const average = table.of[chunk.entry].average + chunk.first;
  const T* const values = table.of[chunk.entry].values + chunk.first;
  const auto move = [&](T& a, const T& v) { a = store<T>(load(a) + take * (load(v) - load(a))); };
  for_packs<T>(
      chunk.size,
      [&](int e) {
        Pack<T, kLane> a = load_pack<kLane>(average + e);
        const Pack<T, kLane> v = load_pack<kLane>(values + e);
        VOX_UNROLL
        for (int i = 0; i < kLane; ++i) { move(a.v[i], v.v[i]); }
        store_pack(average + e, a);
      },
      [&](int e) { move(average[e], values[e]); });
}

}  // namespace gpu

template <class T> void moving_average(GpuQueue& q, const MovingAverageArgs<T>& a) {
  using Entry = gpu::MovingAverageEntry<T>;
  gpu::for_tables<Entry>(
      a.tensors,
      [](const MovingAverageTensor<T>& t) {
        return Entry{
            .average = t.average.data(), .values = t.values.data(), .count = std::ssize(t.values), .first_chunk = 0};
      },
      [&](const gpu::TensorTable<Entry>& table, unsigned chunks, std::size_t, std::int64_t) {
        if (chunks == 0) { return; }
        VOX_LAUNCH(q, (gpu::moving_average_kernel<T>), chunks, gpu::kTableThreads, 0, table, a.squares.data(),
                   static_cast<int>(a.squares.size()), a.take, a.take_there);
      });
}

VOX_INSTANTIATE(GpuQueue, moving_average, MovingAverageArgs);

}  // namespace vox
