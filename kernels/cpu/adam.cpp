#include "kernels/adam.h"

#include <cassert>
#include <cmath>

#include "kernels/cpu/elementwise.h"

namespace vox {

template <class T> void adam_step(IsaQueue& q, const AdamArgs<T>& args) {
  assert(args.grad.size() == args.parameter.size());
  using A = Acc<T>;
  T* const p = args.parameter.data();
  const T* const grad = args.grad.data();
  T* const m = args.m.data();
  T* const v = args.v.data();
  const bool torch = args.epsilon == AdamEpsilon::torch;
  const auto keep = static_cast<A>(1 - args.lr * args.weight_decay);
  const auto beta1 = static_cast<A>(args.beta1);
  const auto beta2 = static_cast<A>(args.beta2);
  const auto new1 = static_cast<A>(1 - args.beta1);
  const auto new2 = static_cast<A>(1 - args.beta2);
  const auto scale = static_cast<A>(args.gradient_scale);
  const auto eps = static_cast<A>(args.eps);
  const double root = std::sqrt(args.beta2_correction);
  const auto step = static_cast<A>(args.lr / args.beta1_correction * (torch ? 1.0 : root));
  const auto unbias = static_cast<A>(torch ? 1 / root : 1.0);
  parallel_chunks(q, std::ssize(args.parameter), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const A g = load(grad[i]) * scale;
      const A m1 = beta1 * load(m[i]) + new1 * g;
      const A v1 = beta2 * load(v[i]) + new2 * g * g;
      m[i] = store<T>(m1);
      v[i] = store<T>(v1);
      p[i] = store<T>(load(p[i]) * keep - step * m1 / (std::sqrt(v1) * unbias + eps));
    }
  });
}

template <class T> void squared_norm(IsaQueue&, const SquaredNormArgs<T>& args) {
  constexpr std::int64_t kLanes = 16;  // independent sums, so that the loop vectorises in a fixed order
  const T* const x = args.x.data();
  const std::int64_t count = std::ssize(args.x);
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
  *args.sum = total;
}

VOX_INSTANTIATE(IsaQueue, adam_step, AdamArgs);
VOX_INSTANTIATE(IsaQueue, squared_norm, SquaredNormArgs);

}  // namespace vox
