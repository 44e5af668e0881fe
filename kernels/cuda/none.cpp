#include "kernels/check.h"
#include "kernels/cuda/runtime.h"

namespace vox::cuda {
namespace {

[[noreturn]] void not_built() {
  VOX_FAIL("device 'cuda' asked for, but this program was built without CUDA: configure with -DVOX_CUDA=ON");
}

}  // namespace

bool built() noexcept { return false; }
std::vector<DeviceInfo> devices() { return {}; }
std::string versions() { return "not built in: configure with -DVOX_CUDA=ON and a CUDA Toolkit"; }
void* allocate(std::size_t) { not_built(); }
void release(void*) noexcept {}
void copy(void*, const void*, std::size_t, CUstream_st*) { not_built(); }
void zero(void*, std::size_t, CUstream_st*) { not_built(); }

}  // namespace vox::cuda
