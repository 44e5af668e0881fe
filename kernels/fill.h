#pragma once

#include <span>

#include "kernels/base/bf16.h"
#include "kernels/base/queue.h"

namespace vox {

/// y[e] = value, rounded to T.
template <class T> struct FillArgs {
  Acc<T> value;
  std::span<T> y;  ///< overwritten
};

VOX_KERNEL(fill_forward, FillArgs);

}  // namespace vox
