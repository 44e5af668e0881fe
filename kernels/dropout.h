#pragma once

#include <cmath>
#include <cstdint>
#include <span>

#include "kernels/base/bf16.h"
#include "kernels/base/philox.h"
#include "kernels/base/queue.h"

namespace vox {

/// y[e] = 0 where number e of the key's stream is below p * 2^32, x[e] / (1-p) elsewhere. Its own gradient: dx from dy.
template <class T> struct DropoutArgs {
  std::span<const T> x;
  double p;  ///< in (0,1)
  RandomKey key;
  std::span<T> y;  ///< overwritten; may be x
  /// On a GPU: where the step lies when the kernel runs (kernels/step_values.h), or null: it is the key's.
  const std::uint32_t* step_there = nullptr;
};

/// The largest number of a stream that drops its element, p in (0,1).
[[nodiscard]] inline std::uint32_t largest_dropped_number(double p) {
  return static_cast<std::uint32_t>(std::ceil(p * 0x1p32) - 1);
}

VOX_KERNEL(dropout_forward, DropoutArgs);

}  // namespace vox
