#include "kernels/adam.h"

#include <cassert>
#include <cmath>

#include "kernels/cpu/simd/elementwise.h"
#include "kernels/gradient_squares.h"

namespace vox {
namespace {

/// What one value needs of the arguments, in the accumulator type.
template <class A> struct Factors { A gradient, keep, beta1, beta2, new1, new2, eps, step, unbias; };

template <class T> Factors<Acc<T>> factors_of(const AdamArgs<T>& args, double norm) {
  using A = Acc<T>;
  const bool torch = args.epsilon == AdamEpsilon::torch;
  const double root = std::sqrt(args.beta2_correction);
  return {.gradient = static_cast<A>(gradient_factor(norm, args.clip_norm)),
          .keep = static_cast<A>(1 - args.lr * args.weight_decay),
          .beta1 = static_cast<A>(args.beta1),
          .beta2 = static_cast<A>(args.beta2),
          .new1 = static_cast<A>(1 - args.beta1),
          .new2 = static_cast<A>(1 - args.beta2),
          .eps = static_cast<A>(args.eps),
          .step = static_cast<A>(args.lr / args.beta1_correction * (torch ? 1.0 : root)),
          .unbias = static_cast<A>(torch ? 1 / root : 1.0)};
}

}  // namespace

template <class T> void adam_step(IsaQueue& q, const AdamArgs<T>& args) {
  using A = Acc<T>;
  double total = 0;
  for (const double sum : args.squares) { total += sum; }
  if (!std::isfinite(total)) { return; }
  const Factors<A> f = factors_of(args, std::sqrt(total));
  for (const AdamTensor<T>& tensor : args.tensors) {
    assert(tensor.grad.size() == tensor.parameter.size());
    T* const p = tensor.parameter.data();
    const T* const grad = tensor.grad.data();
    T* const m = tensor.m.data();
    T* const v = tensor.v.data();
    parallel_chunks(q, std::ssize(tensor.parameter), [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) {
        const A g = load(grad[i]) * f.gradient;
        const A m1 = f.beta1 * load(m[i]) + f.new1 * g;
        const A v1 = f.beta2 * load(v[i]) + f.new2 * g * g;
        m[i] = store<T>(m1);
        v[i] = store<T>(v1);
        p[i] = store<T>(load(p[i]) * f.keep - f.step * m1 / (std::sqrt(v1) * f.unbias + f.eps));
      }
    });
  }
}

VOX_INSTANTIATE(IsaQueue, adam_step, AdamArgs);

}  // namespace vox
