#include "kernels/adam.h"

#include <cmath>

#include "kernels/cuda/tensor_table.cuh"

namespace vox {
namespace gpu {

template <class T> struct AdamEntry {
  T* parameter;
  const T* grad;
  T* m;
  T* v;
  std::int64_t count;
  unsigned first_chunk;  ///< of the launch: where this tensor's chunks begin
};

/// What one value needs of the arguments that no step changes, in the accumulator type.
template <class A> struct AdamFactors { A beta1, beta2, new1, new2, eps; };

/// One block per chunk, 16 bytes of each array per thread and turn.
template <class T>
__global__ void adam_step_kernel(TensorTable<AdamEntry<T>> table, const double* squares, int squares_count,
                                 double clip_norm, AdamFactors<Acc<T>> f, AdamRates<Acc<T>> given,
                                 const AdamRates<Acc<T>>* rates_there) {
  wait_for_launches_before();
  constexpr int kLane = kWide<T>;
  using A = Acc<T>;
  const double norm = gradient_norm(squares, squares_count);
  if (!is_finite(norm)) { return; }
  const AdamRates<A> rates = rates_there != nullptr ? *rates_there : given;
  const auto gradient = static_cast<A>(gradient_factor(norm, clip_norm));
  const ChunkOfTensor chunk = this_chunk(table);
  T* const p = table.of[chunk.entry].parameter + chunk.first;
  const T* const grad = table.of[chunk.entry].grad + chunk.first;
  T* const m = table.of[chunk.entry].m + chunk.first;
  T* const v = table.of[chunk.entry].v + chunk.first;
  const auto move = [&](T& p1, const T& g1, T& m1, T& v1) {
    const A g = load(g1) * gradient;
    const A mean = f.beta1 * load(m1) + f.new1 * g;
    const A square = f.beta2 * load(v1) + f.new2 * g * g;
    m1 = store<T>(mean);
    v1 = store<T>(square);
    p1 = store<T>(load(p1) * rates.keep - rates.step * mean / (std::sqrt(square) * rates.unbias + f.eps));
  };
  for_packs<T>(
      chunk.size,
      [&](int e) {
        Pack<T, kLane> vp = load_pack<kLane>(p + e);
        const Pack<T, kLane> vg = load_pack<kLane>(grad + e);
        Pack<T, kLane> vm = load_pack<kLane>(m + e);
        Pack<T, kLane> vv = load_pack<kLane>(v + e);
        VOX_UNROLL
        for (int i = 0; i < kLane; ++i) { move(vp.v[i], vg.v[i], vm.v[i], vv.v[i]); }
        store_pack(p + e, vp);
        store_pack(m + e, vm);
        store_pack(v + e, vv);
      },
      [&](int e) { move(p[e], grad[e], m[e], v[e]); });
}

}  // namespace gpu

template <class T> void adam_step(GpuQueue& q, const AdamArgs<T>& a) {
  using A = Acc<T>;
  using Entry = gpu::AdamEntry<T>;
  const gpu::AdamFactors<A> factors{.beta1 = static_cast<A>(a.beta1),
                                    .beta2 = static_cast<A>(a.beta2),
                                    .new1 = static_cast<A>(1 - a.beta1),
                                    .new2 = static_cast<A>(1 - a.beta2),
                                    .eps = static_cast<A>(a.eps)};
  const AdamRates<A> rates = adam_rates<A>(a);
  gpu::for_tables<Entry>(
      a.tensors,
      [](const AdamTensor<T>& t) {
        return Entry{.parameter = t.parameter.data(),
                     .grad = t.grad.data(),
                     .m = t.m.data(),
                     .v = t.v.data(),
                     .count = std::ssize(t.grad),
                     .first_chunk = 0};
      },
      [&](const gpu::TensorTable<Entry>& table, unsigned chunks, std::size_t, std::int64_t) {
        if (chunks == 0) { return; }
        VOX_LAUNCH(q, (gpu::adam_step_kernel<T>), chunks, gpu::kTableThreads, 0, table, a.squares.data(),
                   static_cast<int>(a.squares.size()), a.clip_norm, factors, rates, a.rates_there);
      });
}

VOX_INSTANTIATE(GpuQueue, adam_step, AdamArgs);

}  // namespace vox
