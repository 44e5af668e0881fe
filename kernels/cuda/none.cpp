#include "kernels/base/check.h"
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
void select(int) { not_built(); }
std::string current_device_name() { not_built(); }
void profile(bool) { not_built(); }
Stream::Stream() { not_built(); }
Stream::~Stream() = default;
void Stream::wait() const {}
void wait(CUstream_st*) { not_built(); }
Event::Event() { not_built(); }
Event::~Event() = default;
void Event::record(CUstream_st*) {}
void Event::hold_back(CUstream_st*) const {}
void Event::wait() const {}
bool Event::reached() const { return true; }
float Event::milliseconds_since(const Event&) const { return 0; }
Graph::~Graph() = default;
void Graph::begin(CUstream_st*) { not_built(); }
void Graph::end(CUstream_st*) { not_built(); }
void Graph::abandon(CUstream_st*) noexcept {}
void Graph::launch(CUstream_st*) const { not_built(); }
PinnedBytes::PinnedBytes(std::size_t) { not_built(); }
void PinnedBytes::Release::operator()(void*) const noexcept {}
void copy_async(void*, const void*, std::size_t, CUstream_st*) { not_built(); }
void* allocate(std::size_t) { not_built(); }
void release(void*) noexcept {}
std::size_t free_bytes() { not_built(); }
void copy(void*, const void*, std::size_t, CUstream_st*) { not_built(); }
void fill(void*, unsigned char, std::size_t, CUstream_st*) { not_built(); }

}  // namespace vox::cuda
