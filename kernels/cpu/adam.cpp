#include "kernels/adam.h"

#include <cassert>
#include <cmath>

#include "kernels/cpu/simd/elementwise.h"

namespace vox {
namespace {

template <class T> double sum_of_squares(std::span<const T> span) {
  constexpr std::int64_t kLanes = 16;  // independent sums, so that the loop vectorises in a fixed order
  const T* const x = span.data();
  const std::int64_t count = std::ssize(span);
  double total = 0;
  for (std::int64_t begin = 0; begin < count; begin += kElementChunk) {
    const std::int64_t end = std::min(count, begin + kElementChunk);
    double lanes[kLanes] = {};
    std::int64_t i = begin;
    for (; i + kLanes <= end; i += kLanes) {
      for (std::int64_t k = 0; k < kLanes; ++k) {
        const auto value = static_cast<double>(load(x[i + k]));
        lanes[k] += value * value;
      }
    }
    for (; i < end; ++i) { lanes[0] += static_cast<double>(load(x[i])) * static_cast<double>(load(x[i])); }
    for (const double lane : lanes) { total += lane; }
  }
  return total;
}

/// What one value needs of the arguments, in the accumulator type.
template <class A> struct Factors { A gradient, keep, beta1, beta2, new1, new2, eps, step, unbias; };

template <class T> Factors<Acc<T>> factors_of(const AdamArgs<T>& args, double norm) {
  using A = Acc<T>;
  const bool torch = args.epsilon == AdamEpsilon::torch;
  const double root = std::sqrt(args.beta2_correction);
  const bool clips = args.clip_norm > 0 && norm > args.clip_norm;
  return {.gradient = static_cast<A>(clips ? args.clip_norm / norm : 1.0),
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

template <class T> void adam_squares(IsaQueue& q, const AdamSquaresArgs<T>& args) {
  assert(args.sums.size() == args.tensors.size());
  parallel_for(q, std::ssize(args.tensors), [&](std::int64_t k) {
    const auto i = static_cast<std::size_t>(k);
    args.sums[i] = sum_of_squares(args.tensors[i].grad);
  });
}

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

VOX_INSTANTIATE(IsaQueue, adam_squares, AdamSquaresArgs);
VOX_INSTANTIATE(IsaQueue, adam_step, AdamArgs);

}  // namespace vox
