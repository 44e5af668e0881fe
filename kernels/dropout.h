#pragma once

#include <span>

#include "kernels/bf16.h"
#include "kernels/philox.h"
#include "kernels/queue.h"

namespace vox {

/// y[e] = 0 where number e of the key's stream is below p * 2^32, x[e] / (1-p) elsewhere. Its own gradient: dx from dy.
template <class T> struct DropoutArgs {
  std::span<const T> x;
  double p;  ///< in (0,1)
  RandomKey key;
  std::span<T> y;  ///< overwritten; may be x
};

VOX_KERNEL(dropout_forward, DropoutArgs);

}  // namespace vox
