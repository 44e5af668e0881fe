#include "kernels/sgd.h"

#include <cassert>
#include <cmath>

#include "kernels/cpu/simd/elementwise.h"
#include "kernels/gradient_squares.h"

namespace vox {

template <class T> void sgd_step(IsaQueue& q, const SgdArgs<T>& args) {
  using A = Acc<T>;
  double total = 0;
  for (const double sum : args.squares) { total += sum; }
  if (!std::isfinite(total)) { return; }
  const auto factor = static_cast<A>(gradient_factor(std::sqrt(total), args.clip_norm));
  const auto decay = static_cast<A>(args.weight_decay);
  const auto momentum = static_cast<A>(args.momentum);
  const auto lr = static_cast<A>(args.lr);
  const bool nesterov = args.nesterov == Nesterov::on;
  const A of_gradient = nesterov ? A{1} : A{0};  // p -= lr * (of_gradient * g + of_momentum * m)
  const A of_momentum = nesterov ? momentum : A{1};
  for (const SgdTensor<T>& tensor : args.tensors) {
    assert(tensor.grad.size() == tensor.parameter.size());
    T* const p = tensor.parameter.data();
    const T* const grad = tensor.grad.data();
    T* const m = tensor.momentum.data();
    parallel_chunks(q, std::ssize(tensor.parameter), [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) {
        const A g = load(grad[i]) * factor + decay * load(p[i]);
        const A m1 = momentum * load(m[i]) + g;
        m[i] = store<T>(m1);
        p[i] = store<T>(load(p[i]) - lr * (of_gradient * g + of_momentum * m1));
      }
    });
  }
}

VOX_INSTANTIATE(IsaQueue, sgd_step, SgdArgs);

}  // namespace vox
