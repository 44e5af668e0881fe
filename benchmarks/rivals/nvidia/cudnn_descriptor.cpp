#include "benchmarks/rivals/nvidia/cudnn_graph.h"
#include "engine/context.h"
#include "kernels/base/check.h"

namespace vox::nvidia::cudnn {

void check(cudnnStatus_t status, const char* call) {
  VOX_CHECK(status == CUDNN_STATUS_SUCCESS, "cuDNN, {}: {}", call, cudnnGetErrorString(status));
}

cudnnHandle_t handle() {
  static const auto made = [] {
    cudnnHandle_t h = nullptr;
    check(cudnnCreate(&h), "cudnnCreate");
    return std::shared_ptr<cudnnContext>(h, [](cudnnHandle_t old) { static_cast<void>(cudnnDestroy(old)); });
  }();
  check(cudnnSetStream(made.get(), cuda_queue().stream), "cudnnSetStream");
  return made.get();
}

Descriptor::Descriptor(cudnnBackendDescriptorType_t type) {
  cudnnBackendDescriptor_t d = nullptr;
  check(cudnnBackendCreateDescriptor(type, &d), "cudnnBackendCreateDescriptor");
  made_.reset(d, [](void* old) { static_cast<void>(cudnnBackendDestroyDescriptor(old)); });
}

void Descriptor::set(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type, std::int64_t count,
                     const void* values) {
  check(cudnnBackendSetAttribute(get(), name, type, count, values), "cudnnBackendSetAttribute");
}

void Descriptor::set(cudnnBackendAttributeName_t name, const Descriptor& part) {
  const cudnnBackendDescriptor_t raw = part.get();
  set(name, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &raw);
}

void Descriptor::finalise() { check(cudnnBackendFinalize(get()), "cudnnBackendFinalize"); }
bool Descriptor::can_finalise() { return cudnnBackendFinalize(get()) == CUDNN_STATUS_SUCCESS; }

}  // namespace vox::nvidia::cudnn
