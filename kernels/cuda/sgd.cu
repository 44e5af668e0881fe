#include "kernels/sgd.h"

#include <cmath>

#include "kernels/cuda/tensor_table.cuh"

namespace vox {
namespace gpu {

template <class T> struct SgdEntry {
  T* parameter;
  const T* grad;
  T* momentum;
  std::int64_t count;
  unsigned first_chunk;  ///< of the launch: where this tensor's chunks begin
};

/// What one value needs of the arguments that no step changes, in the accumulator type:
///   p -= lr * (of_gradient * g + of_momentum * m).
template <class A> struct SgdFactors { A decay, momentum, of_gradient, of_momentum; };

/// One block per chunk, 16 bytes of each array per thread and turn.
template <class T>
__global__ void sgd_step_kernel(TensorTable<SgdEntry<T>> table, const double* squares, int squares_count,
                                double clip_norm, SgdFactors<Acc<T>> f, double given, const double* lr_there) {
  wait_for_launches_before();
  constexpr int kLane = kWide<T>;
  using A = Acc<T>;
  const double norm = gradient_norm(squares, squares_count);
  if (!is_finite(norm)) { return; }
  const auto lr = static_cast<A>(lr_there != nullptr ? *lr_there : given);
  const auto factor = static_cast<A>(gradient_factor(norm, clip_norm));
  const ChunkOfTensor chunk = this_chunk(table);
  T* const p = table.of[chunk.entry].parameter + chunk.first;
  const T* const grad = table.of[chunk.entry].grad + chunk.first;
  T* const m = table.of[chunk.entry].momentum + chunk.first;
  const auto move = [&](T& p1, const T& g1, T& m1) {
    const A g = load(g1) * factor + f.decay * load(p1);
    const A mean = f.momentum * load(m1) + g;
    m1 = store<T>(mean);
    p1 = store<T>(load(p1) - lr * (f.of_gradient * g + f.of_momentum * mean));
  };
  for_packs<T>(
      chunk.size,
      [&](int e) {
        Pack<T, kLane> vp = load_pack<kLane>(p + e);
        const Pack<T, kLane> vg = load_pack<kLane>(grad + e);
        Pack<T, kLane> vm = load_pack<kLane>(m + e);
        VOX_UNROLL
        for (int i = 0; i < kLane; ++i) { move(vp.v[i], vg.v[i], vm.v[i]); }
        store_pack(p + e, vp);
        store_pack(m + e, vm);
      },
      [&](int e) { move(p[e], grad[e], m[e]); });
}

}  // namespace gpu

template <class T> void sgd_step(GpuQueue& q, const SgdArgs<T>& a) {
  using A = Acc<T>;
  using Entry = gpu::SgdEntry<T>;
  const bool nesterov = a.nesterov == Nesterov::on;
  const gpu::SgdFactors<A> factors{.decay = static_cast<A>(a.weight_decay),
                                   .momentum = static_cast<A>(a.momentum),
                                   .of_gradient = nesterov ? A{1} : A{0},
                                   .of_momentum = nesterov ? static_cast<A>(a.momentum) : A{1}};
  gpu::for_tables<Entry>(
      a.tensors,
      [](const SgdTensor<T>& t) {
        return Entry{.parameter = t.parameter.data(),
                     .grad = t.grad.data(),
                     .momentum = t.momentum.data(),
                     .count = std::ssize(t.grad),
                     .first_chunk = 0};
      },
      [&](const gpu::TensorTable<Entry>& table, unsigned chunks, std::size_t, std::int64_t) {
        if (chunks == 0) { return; }
        VOX_LAUNCH(q, (gpu::sgd_step_kernel<T>), chunks, gpu::kTableThreads, 0, table, a.squares.data(),
                   static_cast<int>(a.squares.size()), a.clip_norm, factors, a.lr, a.lr_there);
      });
}

VOX_INSTANTIATE(GpuQueue, sgd_step, SgdArgs);

}  // namespace vox
