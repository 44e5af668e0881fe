#include "kernels/cuda/runtime.h"

#include <cuda_runtime.h>

#include "kernels/check.h"

namespace vox::cuda {

bool built() noexcept { return true; }

std::vector<DeviceInfo> devices() {
  int count = 0;
  std::vector<DeviceInfo> found;
  if (cudaGetDeviceCount(&count) != cudaSuccess) { return found; }
  for (int i = 0; i < count; ++i) {
    cudaDeviceProp p{};
    if (cudaGetDeviceProperties(&p, i) == cudaSuccess) {
      found.push_back({p.name, p.major, p.minor, p.totalGlobalMem});
    }
  }
  return found;
}

std::string versions() {
  int runtime = 0;
  int driver = 0;
  static_cast<void>(cudaRuntimeGetVersion(&runtime));
  static_cast<void>(cudaDriverGetVersion(&driver));
  const auto text = [](int v) { return fmt::format("{}.{}", v / 1000, v % 1000 / 10); };
  return fmt::format("runtime {}, driver {}", text(runtime), driver == 0 ? "none" : text(driver));
}

void* allocate(std::size_t bytes) {
  void* p = nullptr;
  const cudaError_t code = cudaMalloc(&p, bytes);
  VOX_CHECK(code == cudaSuccess, "cudaMalloc of {} bytes: {}", bytes, cudaGetErrorString(code));
  return p;
}

void release(void* p) noexcept { static_cast<void>(cudaFree(p)); }  // a destructor has no one to tell

}  // namespace vox::cuda
