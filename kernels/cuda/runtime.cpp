#include "kernels/cuda/runtime.h"

#include <cuda_profiler_api.h>
#include <cuda_runtime.h>

#include "kernels/base/check.h"
#include "kernels/cuda/launch.h"

namespace vox::cuda {
void check(cudaError_t code, const char* call) {
  VOX_CHECK(code == cudaSuccess, "{}: {}", call, cudaGetErrorString(code));
}

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

void select(int index) {
  int count = 0;
  const cudaError_t code = cudaGetDeviceCount(&count);
  int driver = 0;
  static_cast<void>(cudaDriverGetVersion(&driver));
  VOX_CHECK(driver != 0, "device 'cuda': this machine has no NVIDIA driver, and so no NVIDIA GPU to use");
  VOX_CHECK(code != cudaErrorInsufficientDriver, "device 'cuda': the driver is too old for this program ({})",
            versions());
  VOX_CHECK(
      code == cudaSuccess && count > 0, "device 'cuda': {}",
      code == cudaSuccess || code == cudaErrorNoDevice ? "this machine has no NVIDIA GPU" : cudaGetErrorString(code));
  VOX_CHECK(index >= 0 && index < count, "device 'cuda:{}': this machine has {} GPU{}, numbered from 0", index, count,
            count == 1 ? "" : "s");
  check(cudaSetDevice(index), "cudaSetDevice");
  cudaDeviceProp p{};
  check(cudaGetDeviceProperties(&p, index), "cudaGetDeviceProperties");
  VOX_CHECK(p.major * 10 + p.minor >= VOX_CUDA_LOWEST,
            "device 'cuda:{}': {} has compute capability {}.{}, and this program was built for {}.{} and later", index,
            p.name, p.major, p.minor, VOX_CUDA_LOWEST / 10, VOX_CUDA_LOWEST % 10);
}

std::string current_device_name() {
  int index = 0;
  check(cudaGetDevice(&index), "cudaGetDevice");
  return devices().at(static_cast<std::size_t>(index)).name;
}

void profile(bool on) {
  check(cudaDeviceSynchronize(), "cudaDeviceSynchronize");
  check(on ? cudaProfilerStart() : cudaProfilerStop(), "cudaProfilerStart, cudaProfilerStop");
}

void* allocate(std::size_t bytes) {
  void* p = nullptr;
  const cudaError_t code = cudaMalloc(&p, bytes);
  if (code == cudaErrorMemoryAllocation) {
    static_cast<void>(cudaGetLastError());  // it is not sticky: the next call must not see it
    return nullptr;
  }
  check(code, "cudaMalloc");
  return p;
}

void copy(void* to, const void* from, std::size_t bytes, CUstream_st* stream) {
  check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDefault, stream), "cudaMemcpyAsync");
  check(cudaStreamSynchronize(stream), "cudaStreamSynchronize");
}

void fill(void* p, unsigned char byte, std::size_t bytes, CUstream_st* stream) {
  check(cudaMemsetAsync(p, byte, bytes, stream), "cudaMemsetAsync");
}

void release(void* p) noexcept {
  static_cast<void>(cudaDeviceSynchronize());
  static_cast<void>(cudaFree(p));  // a destructor has no one to tell
}

std::size_t free_bytes() {
  std::size_t free = 0;
  std::size_t total = 0;
  check(cudaMemGetInfo(&free, &total), "cudaMemGetInfo");
  return free;
}

}  // namespace vox::cuda

namespace vox::gpu {

bool launches_overlap() {
  thread_local int asked = -1;  // the GPU that the answer is about
  thread_local bool answer = false;
  int device = 0;
  cuda::check(cudaGetDevice(&device), "cudaGetDevice");
  if (device != asked) {
    int major = 0;
    cuda::check(cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, device), "cudaDeviceGetAttribute");
    asked = device;
    answer = major >= 9;
  }
  return answer;
}

void launch_failed(const char* kernel, const char* file, int line, dim3 grid, dim3 block, std::size_t shared_bytes,
                   cudaError_t code) {
  VOX_FAIL("kernel {} launched at {}:{} with grid {}x{}x{}, block {}x{}x{}, {} bytes of shared memory: {}", kernel,
           file, line, grid.x, grid.y, grid.z, block.x, block.y, block.z, shared_bytes, cudaGetErrorString(code));
}

}  // namespace vox::gpu
