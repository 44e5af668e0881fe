#pragma once

#include <span>

#include "kernels/base/bf16.h"
#include "kernels/base/queue.h"

namespace vox {

/// y[e] = a[e] + b[e], padding channels included.
template <class T> struct AddArgs {
  std::span<const T> a;
  std::span<const T> b;  ///< as many as a
  std::span<T> y;        ///< overwritten; may be a or b
};

VOX_KERNEL(add_forward, AddArgs);

}  // namespace vox
