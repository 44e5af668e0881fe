#pragma once

#include <cstdint>
#include <limits>

#include "kernels/cpu/simd/exp.h"
#include "kernels/cpu/simd/wide_block.h"

namespace vox {
namespace {

/// Softmax over the channels of a volume of one block.
template <class T, int K> class SoftmaxWide {
 public:
  using A = Acc<T>;
  using V = Wide<A>;
  using Channels = WideChannels<A, K>;

  explicit SoftmaxWide(std::int64_t channels) : pads_(channels < K) {
    for (std::int64_t c = channels; c < K; ++c) { floor_[c] = -std::numeric_limits<A>::infinity(); }
  }

  /// logits = those at x less the largest of their voxel, -inf in padding channels; e = their exponentials, sum =
  /// those'.
  VOX_INLINED void exponentials(const T* x, Channels& logits, Channels& e, V& sum) const {
    WideBlock<T, K>::read(x, logits);
    if (pads_) {
      unrolled<K>([&](auto c) VOX_INLINED { logits[c] += floor_[c]; });
    }
    V top = logits[0];
    unrolled<K - 1>([&](auto c) VOX_INLINED { raise_to(logits[c + 1], top); });
    sum = V{};
    unrolled<K>([&](auto c) VOX_INLINED {
      logits[c] -= top;
      e[c] = logits[c];
      exp_nonpositive(e[c]);
      sum += e[c];
    });
  }

 private:
  bool pads_;
  A floor_[kBlock8]{};  ///< -inf in the padding channels
};

}  // namespace
}  // namespace vox
