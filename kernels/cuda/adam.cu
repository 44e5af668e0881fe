#include "kernels/adam.h"

#include <algorithm>
#include <cmath>

#include "kernels/cuda/reduce.cuh"
#include "kernels/cuda/table.cuh"

namespace vox {
namespace gpu {

inline constexpr int kAdamThreads = 256;
inline constexpr int kAdamTensors = 64;  // of one launch: their table and the factors are its parameters, 4 KB at most

template <class T> struct AdamEntry {
  T* parameter;
  const T* grad;
  T* m;
  T* v;
  std::int64_t count;
  unsigned first_chunk;  ///< of the launch: where this tensor's chunks begin
};
template <class T> struct AdamTable {
  AdamEntry<T> of[kAdamTensors];
  int tensors;
};

/// What one value needs of the arguments that no step changes, in the accumulator type.
template <class A> struct AdamFactors { A beta1, beta2, new1, new2, eps; };

/// partials[i] = sum of squares of chunk i, in double: one block per chunk, 16 bytes per thread and turn.
template <class T> __global__ void adam_squares_chunks_kernel(AdamTable<T> table, double* partials) {
  wait_for_launches_before();
  constexpr int kLane = kWide<T>;
  const int entry = this_entry(table.of, table.tensors);
  const std::int64_t first = static_cast<std::int64_t>(blockIdx.x - table.of[entry].first_chunk) * kAdamChunk;
  const std::int64_t left = table.of[entry].count - first;
  const int size = static_cast<int>(left < kAdamChunk ? left : kAdamChunk);
  const T* const grad = table.of[entry].grad + first;
  double sum[1] = {0};
  for (int e = static_cast<int>(threadIdx.x) * kLane; e < size; e += kAdamThreads * kLane) {
    if (e + kLane <= size) {
      const Pack<T, kLane> g = load_pack<kLane>(grad + e);
      VOX_UNROLL
      for (int i = 0; i < kLane; ++i) {
        sum[0] += static_cast<double>(load(g.v[i])) * static_cast<double>(load(g.v[i]));
      }
    } else {
      for (int i = e; i < size; ++i) {
        sum[0] += static_cast<double>(load(grad[i])) * static_cast<double>(load(grad[i]));
      }
    }
  }
  block_sum(sum);
  if (threadIdx.x == 0) { partials[blockIdx.x] = sum[0]; }
}

/// sums[k] = sum of the partials of tensor k of the table: one block per tensor.
template <class T> __global__ void adam_squares_kernel(AdamTable<T> table, const double* partials, double* sums) {
  wait_for_launches_before();
  const unsigned first = table.of[blockIdx.x].first_chunk;
  const auto chunks = static_cast<unsigned>((table.of[blockIdx.x].count + kAdamChunk - 1) / kAdamChunk);
  double sum[1] = {0};
  for (unsigned i = threadIdx.x; i < chunks; i += kAdamThreads) { sum[0] += partials[first + i]; }
  block_sum(sum);
  if (threadIdx.x == 0) { sums[blockIdx.x] = sum[0]; }
}

/// One block per chunk, 16 bytes of each array per thread and turn. Every block adds up the squares in the same order,
/// so that all clip alike, or do nothing alike.
template <class T>
__global__ void adam_step_kernel(AdamTable<T> table, const double* squares, int squares_count, double clip_norm,
                                 AdamFactors<Acc<T>> f, AdamRates<Acc<T>> given, const AdamRates<Acc<T>>* rates_there) {
  wait_for_launches_before();
  constexpr int kLane = kWide<T>;
  using A = Acc<T>;
  VOX_SHARED(double, total, [1]);
  double sum[1] = {0};
  for (int k = static_cast<int>(threadIdx.x); k < squares_count; k += kAdamThreads) { sum[0] += squares[k]; }
  block_sum(sum);
  if (threadIdx.x == 0) { total[0] = sum[0]; }
  __syncthreads();
  const double norm = std::sqrt(total[0]);
  if (!(norm - norm == 0)) { return; }  // NaN or infinite
  const AdamRates<A> rates = rates_there != nullptr ? *rates_there : given;
  const auto gradient = static_cast<A>(clip_norm > 0 && norm > clip_norm ? clip_norm / norm : 1.0);
  const int entry = this_entry(table.of, table.tensors);
  const std::int64_t first = static_cast<std::int64_t>(blockIdx.x - table.of[entry].first_chunk) * kAdamChunk;
  const std::int64_t left = table.of[entry].count - first;
  const int size = static_cast<int>(left < kAdamChunk ? left : kAdamChunk);
  T* const p = table.of[entry].parameter + first;
  const T* const grad = table.of[entry].grad + first;
  T* const m = table.of[entry].m + first;
  T* const v = table.of[entry].v + first;
  const auto move = [&](T& p1, const T& g1, T& m1, T& v1) {
    const A g = load(g1) * gradient;
    const A mean = f.beta1 * load(m1) + f.new1 * g;
    const A square = f.beta2 * load(v1) + f.new2 * g * g;
    m1 = store<T>(mean);
    v1 = store<T>(square);
    p1 = store<T>(load(p1) * rates.keep - rates.step * mean / (std::sqrt(square) * rates.unbias + f.eps));
  };
  for (int e = static_cast<int>(threadIdx.x) * kLane; e < size; e += kAdamThreads * kLane) {
    if (e + kLane <= size) {
      Pack<T, kLane> vp = load_pack<kLane>(p + e);
      const Pack<T, kLane> vg = load_pack<kLane>(grad + e);
      Pack<T, kLane> vm = load_pack<kLane>(m + e);
      Pack<T, kLane> vv = load_pack<kLane>(v + e);
      VOX_UNROLL
      for (int i = 0; i < kLane; ++i) { move(vp.v[i], vg.v[i], vm.v[i], vv.v[i]); }
      store_pack(p + e, vp);
      store_pack(m + e, vm);
      store_pack(v + e, vv);
    } else {
      for (int i = e; i < size; ++i) { move(p[i], grad[i], m[i], v[i]); }
    }
  }
}

/// Calls body(table, chunks, first tensor, first chunk of all) for kAdamTensors tensors at a time.
template <class T, class Body> void for_tables(std::span<const AdamTensor<T>> tensors, const Body& body) {
  std::int64_t chunks_before = 0;
  for (std::size_t begin = 0; begin < tensors.size(); begin += kAdamTensors) {
    AdamTable<T> table{};
    unsigned chunks = 0;
    for (const AdamTensor<T>& t : tensors.subspan(begin, std::min<std::size_t>(kAdamTensors, tensors.size() - begin))) {
      table.of[table.tensors++] = {.parameter = t.parameter.data(),
                                   .grad = t.grad.data(),
                                   .m = t.m.data(),
                                   .v = t.v.data(),
                                   .count = std::ssize(t.grad),
                                   .first_chunk = chunks};
      chunks += static_cast<unsigned>((std::ssize(t.grad) + kAdamChunk - 1) / kAdamChunk);
    }
    body(table, chunks, begin, chunks_before);
    chunks_before += chunks;
  }
}

}  // namespace gpu

template <class T> void adam_squares(GpuQueue& q, const AdamSquaresArgs<T>& a) {
  gpu::for_tables(a.tensors, [&](const gpu::AdamTable<T>& table, unsigned chunks, std::size_t first, std::int64_t at) {
    double* const partials = a.partials.data() + at;
    if (chunks > 0) {
      VOX_LAUNCH(q, (gpu::adam_squares_chunks_kernel<T>), chunks, gpu::kAdamThreads, 0, table, partials);
    }
    VOX_LAUNCH(q, (gpu::adam_squares_kernel<T>), static_cast<unsigned>(table.tensors), gpu::kAdamThreads, 0, table,
               partials, a.sums.data() + first);
  });
}

template <class T> void adam_step(GpuQueue& q, const AdamArgs<T>& a) {
  using A = Acc<T>;
  const gpu::AdamFactors<A> factors{.beta1 = static_cast<A>(a.beta1),
                                    .beta2 = static_cast<A>(a.beta2),
                                    .new1 = static_cast<A>(1 - a.beta1),
                                    .new2 = static_cast<A>(1 - a.beta2),
                                    .eps = static_cast<A>(a.eps)};
  const AdamRates<A> rates = adam_rates<A>(a);
  gpu::for_tables(a.tensors, [&](const gpu::AdamTable<T>& table, unsigned chunks, std::size_t, std::int64_t) {
    if (chunks == 0) { return; }
    VOX_LAUNCH(q, (gpu::adam_step_kernel<T>), chunks, gpu::kAdamThreads, 0, table, a.squares.data(),
               static_cast<int>(a.squares.size()), a.clip_norm, factors, rates, a.rates_there);
  });
}

VOX_INSTANTIATE(GpuQueue, adam_squares, AdamSquaresArgs);
VOX_INSTANTIATE(GpuQueue, adam_step, AdamArgs);

}  // namespace vox
