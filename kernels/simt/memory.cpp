#include "kernels/simt/memory.h"

#include <cstring>

#include "kernels/simt/host.h"

namespace vox::simt_device {

void* allocate(std::size_t bytes, const char* name) { return ::simt::rt::device_alloc(bytes, name); }
void release(void* p) noexcept { ::simt::rt::device_free(p); }
void copy_in(void* device, const void* host, std::size_t bytes) {
  std::memcpy(device, host, bytes);
  ::simt::rt::mark_init(device, bytes);
}
void copy_out(void* host, const void* device, std::size_t bytes) { std::memcpy(host, device, bytes); }
void fill_zero(void* device, std::size_t bytes) {
  std::memset(device, 0, bytes);
  ::simt::rt::mark_init(device, bytes);
}
void set_threads(int threads) { ::simt::options().os_threads = threads; }

}  // namespace vox::simt_device
