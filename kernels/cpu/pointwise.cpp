#include "kernels/pointwise.h"

#include <cassert>

#include "kernels/cpu/simd/elementwise.h"

namespace vox {
namespace {

/// y[e] = f(x[e])
template <class T, class F> void map(const IsaQueue& q, std::span<const T> x_span, std::span<T> y_span, const F& f) {
  assert(x_span.size() == y_span.size());
  const T* const x = x_span.data();
  T* const y = y_span.data();
  parallel_chunks(q, std::ssize(y_span), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) { y[i] = store<T>(f(load(x[i]))); }
  });
}

/// y[e] = f(a[e], b[e])
template <class T, class F>
void map(const IsaQueue& q, std::span<const T> a_span, std::span<const T> b_span, std::span<T> y_span, const F& f) {
  assert(a_span.size() == y_span.size() && b_span.size() == y_span.size());
  const T* const a = a_span.data();
  const T* const b = b_span.data();
  T* const y = y_span.data();
  parallel_chunks(q, std::ssize(y_span), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) { y[i] = store<T>(f(load(a[i]), load(b[i]))); }
  });
}

}  // namespace

template <class T> void mul_forward(IsaQueue& q, const MulArgs<T>& args) {
  map(q, args.a, args.b, args.y, [](Acc<T> a, Acc<T> b) { return a * b; });
}

template <class T> void scale_forward(IsaQueue& q, const ScaleArgs<T>& args) {
  map(q, args.x, args.y, [factor = static_cast<Acc<T>>(args.factor)](Acc<T> x) { return factor * x; });
}

template <class T> void relu_forward(IsaQueue& q, const ReluArgs<T>& args) {
  map(q, args.x, args.y, [](Acc<T> x) { return x <= 0 ? Acc<T>{0} : x; });
}

template <class T> void relu_backward(IsaQueue& q, const ReluGradArgs<T>& args) {
  map(q, args.y, args.dy, args.dx, [](Acc<T> y, Acc<T> dy) { return y <= 0 ? Acc<T>{0} : dy; });
}

template <class T> void leaky_relu_forward(IsaQueue& q, const LeakyReluArgs<T>& args) {
  const auto slope = static_cast<Acc<T>>(args.negative_slope);
  map(q, args.x, args.y, [slope](Acc<T> x) {
    const Acc<T> below = slope * x;  // computed for all, then chosen: a branch would not vectorise
    return x <= 0 ? below : x;
  });
}

template <class T> void leaky_relu_backward(IsaQueue& q, const LeakyReluGradArgs<T>& args) {
  const auto slope = static_cast<Acc<T>>(args.negative_slope);
  map(q, args.y, args.dy, args.dx, [slope](Acc<T> y, Acc<T> dy) {
    const Acc<T> below = slope * dy;
    return y <= 0 ? below : dy;
  });
}

VOX_INSTANTIATE(IsaQueue, mul_forward, MulArgs);
VOX_INSTANTIATE(IsaQueue, scale_forward, ScaleArgs);
VOX_INSTANTIATE(IsaQueue, relu_forward, ReluArgs);
VOX_INSTANTIATE(IsaQueue, relu_backward, ReluGradArgs);
VOX_INSTANTIATE(IsaQueue, leaky_relu_forward, LeakyReluArgs);
VOX_INSTANTIATE(IsaQueue, leaky_relu_backward, LeakyReluGradArgs);

}  // namespace vox
