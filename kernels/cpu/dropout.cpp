#include "kernels/dropout.h"

#include <cassert>

#include "kernels/cpu/simd/elementwise.h"
#include "kernels/cpu/simd/philox_block.h"

namespace vox {

static_assert(kElementChunk % kPhiloxNumbers == 0, "a chunk starts at the first number of a block");

template <class T> void dropout_forward(IsaQueue& q, const DropoutArgs<T>& args) {
  assert(args.x.size() == args.y.size() && args.p > 0 && args.p < 1);
  const T* const x = args.x.data();
  T* const y = args.y.data();
  const auto largest_dropped = largest_dropped_number(args.p);
  const auto scale = static_cast<Acc<T>>(1 / (1 - args.p));
  parallel_chunks(q, std::ssize(args.y), [&](std::int64_t begin, std::int64_t end) {
    std::uint32_t random[kPhiloxNumbers];
    const auto apply = [&](std::int64_t i, std::int64_t k) {
      const Acc<T> kept = load(x[i + k]) * scale;  // computed for all, then chosen: a branch would not vectorise
      y[i + k] = store<T>(random[k] > largest_dropped ? kept : Acc<T>{0});
    };
    std::int64_t i = begin;
    for (; i + kPhiloxNumbers <= end; i += kPhiloxNumbers) {
      philox_block(args.key, static_cast<std::uint64_t>(i / 4), random);
      for (std::int64_t k = 0; k < kPhiloxNumbers; ++k) { apply(i, k); }
    }
    if (i < end) {
      philox_block(args.key, static_cast<std::uint64_t>(i / 4), random);
      for (std::int64_t k = 0; k < end - i; ++k) { apply(i, k); }
    }
  });
}

VOX_INSTANTIATE(IsaQueue, dropout_forward, DropoutArgs);

}  // namespace vox
