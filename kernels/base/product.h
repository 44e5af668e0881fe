#pragma once

#include <type_traits>

#include "kernels/base/host_device.h"

namespace vox {

/// a * b, rounded before anything is added to it: nvcc makes of a product and a sum one instruction that rounds once,
/// and would have other bits than a CPU without one.
template <class V> VOX_HD inline V product(V a, V b) {
#ifdef __CUDA_ARCH__
  if constexpr (std::is_same_v<V, float>) {
    return __fmul_rn(a, b);
  } else if constexpr (std::is_same_v<V, double>) {
    return __dmul_rn(a, b);
  }
#endif
  return a * b;
}

}  // namespace vox
