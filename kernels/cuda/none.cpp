#include "kernels/check.h"
#include "kernels/cuda/runtime.h"

namespace vox::cuda {

bool built() noexcept { return false; }
std::vector<DeviceInfo> devices() { return {}; }
std::string versions() { return "not built in: configure with -DVOX_CUDA=ON and a CUDA Toolkit"; }
void* allocate(std::size_t) {
  VOX_FAIL("device 'cuda' asked for, but this program was built without CUDA: configure with -DVOX_CUDA=ON");
}
void release(void*) noexcept {}

}  // namespace vox::cuda
