#pragma once

#include "engine/context.h"
#include "kernels/base/check.h"

namespace vox::bench {

/// Calls body(queue) where the CUDA kernels run. Throws Error for the CPU, and for cuda in a build without it.
template <class Body> void on_device(Device device, const Body& body) {
  if (device == Device::simt) { return body(simt_queue()); }
#ifdef VOX_CUDA_ENABLED
  if (device == Device::cuda) { return body(cuda_queue()); }
#endif
  VOX_FAIL("these kernels run on cuda and simt, not on {}", name(device));
}

}  // namespace vox::bench
