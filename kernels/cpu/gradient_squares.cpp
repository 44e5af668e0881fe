#include "kernels/gradient_squares.h"

#include <cassert>

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

}  // namespace

template <class T> void gradient_squares(IsaQueue& q, const GradientSquaresArgs<T>& args) {
  assert(args.sums.size() == args.grads.size());
  parallel_for(q, std::ssize(args.grads), [&](std::int64_t k) {
    const auto i = static_cast<std::size_t>(k);
    args.sums[i] = sum_of_squares(args.grads[i]);
  });
}

VOX_INSTANTIATE(IsaQueue, gradient_squares, GradientSquaresArgs);

}  // namespace vox
