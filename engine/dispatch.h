#pragma once

#include "engine/context.h"
#include "engine/types.h"
#include "kernels/check.h"
#include "kernels/queue.h"

namespace vox {

template <class T> struct TypeTag {};

/// The only switch on dtype and device in the tree. Calls body(queue, TypeTag<T>{}).
template <class Body> void dispatch(Device device, DType dtype, Body&& body) {
  const auto with_queue = [&](auto& queue) {
    switch (dtype) {
      case DType::f32:
        return body(queue, TypeTag<float>{});
      case DType::f64:
        return body(queue, TypeTag<double>{});
      case DType::bf16:
        return body(queue, TypeTag<Bf16>{});
      case DType::u8:
        break;
    }
    VOX_FAIL("dispatch: no kernel computes in {}", name(dtype));
  };
  if (device == Device::cpu) { return with_queue(cpu_queue()); }
  VOX_FAIL("dispatch: no {} kernel in this build", name(device));
}

}  // namespace vox
