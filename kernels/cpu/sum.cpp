#include "kernels/sum.h"

#include <algorithm>
#include <cassert>
#include <numeric>

#include "kernels/cpu/simd/elementwise.h"

namespace vox {
namespace {

template <class T> double chunk_sum(const T* x, std::int64_t count) {
  constexpr std::int64_t kLanes = 64;  // sums that run side by side
  Acc<T> sums[kLanes]{};
  std::int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    for (std::int64_t j = 0; j < kLanes; ++j) { sums[j] += load(x[i + j]); }
  }
  for (std::int64_t j = 0; j < count - i; ++j) { sums[j] += load(x[i + j]); }
  return std::accumulate(sums, sums + kLanes, 0.0);
}

}  // namespace

template <class T> void sum_forward(IsaQueue& q, const SumArgs<T>& a) {
  assert(std::ssize(a.partials) == sum_partials(std::ssize(a.x)));
  parallel_for(q, std::ssize(a.partials), [&](std::int64_t i) {
    const std::int64_t first = i * kSumChunk;
    a.partials[static_cast<std::size_t>(i)] =
        chunk_sum(a.x.data() + first, std::min(kSumChunk, std::ssize(a.x) - first));
  });
  a.y[0] = static_cast<Acc<T>>(a.factor * std::accumulate(a.partials.begin(), a.partials.end(), 0.0));
}

template <class T> void sum_backward(IsaQueue& q, const SumGradArgs<T>& a) {
  const T value = store<T>(static_cast<Acc<T>>(a.factor * static_cast<double>(a.dy[0])));
  T* const dx = a.dx.data();
  parallel_chunks(q, std::ssize(a.dx),
                  [&](std::int64_t begin, std::int64_t end) { std::fill(dx + begin, dx + end, value); });
  const VolumeShape& s = a.shape;
  if (s.n == 0 || s.c % kBlock8 == 0) { return; }
  parallel_for(q, s.n, [&](std::int64_t n) {
    T* const last = dx + s.offset(n, s.blocks() - 1, 0);
    for (std::int64_t v = 0; v < s.voxels(); ++v) {
      for (std::int64_t c = s.c % kBlock8; c < kBlock8; ++c) { last[v * kBlock8 + c] = T{}; }
    }
  });
}

VOX_INSTANTIATE(IsaQueue, sum_forward, SumArgs);
VOX_INSTANTIATE(IsaQueue, sum_backward, SumGradArgs);

}  // namespace vox
