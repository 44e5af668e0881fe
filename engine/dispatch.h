#pragma once

#include "engine/context.h"
#include "engine/dry_run.h"
#include "engine/types.h"
#include "kernels/base/check.h"
#include "kernels/base/queue.h"

namespace vox {

template <class T> struct TypeTag {};

/// Calls body(TypeTag<T>{}): where a type of a tensor becomes one of C++.
template <class Body> void dispatch_type(DType dtype, Body&& body) {
  switch (dtype) {
    case DType::f32:
      return body(TypeTag<float>{});
    case DType::f64:
      return body(TypeTag<double>{});
    case DType::bf16:
      return body(TypeTag<Bf16>{});
    case DType::u8:
      break;
  }
  VOX_FAIL("dispatch: no kernel computes in {}", name(dtype));
}

/// Calls body(queue): where a device becomes a type of queue, and with it a set of kernels.
template <class Body> void dispatch_device(Device device, Body&& body) {
  if (device != Device::cpu && DryRun::current() != nullptr) {
    DryQueue queue{{.conv = cpu_queue().conv}};
    return body(queue);
  }
  switch (device) {
    case Device::cpu:
      return body(cpu_queue());
    case Device::simt:
#ifndef VOX_NO_SIMT
      return body(simt_queue());
#else
      break;
#endif
    case Device::cuda:
#ifdef VOX_CUDA_ENABLED
      return body(cuda_queue());
#else
      break;
#endif
  }
  VOX_FAIL("dispatch: no {} kernel in this build", name(device));
}

/// Calls body(queue, TypeTag<T>{}).
template <class Body> void dispatch(Device device, DType dtype, Body&& body) {
  dispatch_device(device, [&](auto& queue) { dispatch_type(dtype, [&](auto type) { body(queue, type); }); });
}

}  // namespace vox
