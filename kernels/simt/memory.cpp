#include "kernels/simt/memory.h"

#include <atomic>
#include <cstdlib>
#include <cstring>
#include <new>

#include "kernels/base/check.h"
#include "kernels/simt/arena.h"
#include "kernels/simt/launch.h"
#include "kernels/simt/options.h"

namespace vox::simt_device {
namespace {

constexpr std::align_val_t kAlignment{256};  // as cudaMalloc

void mark_written(const void* p, std::size_t bytes) {
  if constexpr (simt::kChecked) { simt::Arena::get().mark_written(p, bytes); }
}

std::atomic<std::int64_t> copies_in{0};
std::atomic<std::int64_t> copies_out{0};

}  // namespace

// Exact sizes: AddressSanitizer, or the checking build's arena, knows where each block ends.
void* allocate(std::size_t bytes, const char* name) {
  if constexpr (simt::kChecked) { return simt::Arena::get().allocate(bytes, name); }
  void* p = ::operator new(bytes, kAlignment, std::nothrow);
  if (p == nullptr) {
    fail<MemoryError>(__FILE__, __LINE__, fmt::format("simt: no memory for {} ({} bytes)", name, bytes));
  }
  std::memset(p, 0xFF, bytes);
  return p;
}

void release(void* p) noexcept {
  if constexpr (simt::kChecked) {
    simt::Arena::get().release(p);
  } else {
    ::operator delete(p, kAlignment);
  }
}

void copy_in(void* device, const void* host, std::size_t bytes) {
  ++copies_in;
  std::memmove(device, host, bytes);
  mark_written(device, bytes);
}

void copy_out(void* host, const void* device, std::size_t bytes) {
  ++copies_out;
  std::memmove(host, device, bytes);
}

Work work() { return {.launches = simt::launches(), .copies_in = copies_in, .copies_out = copies_out}; }

void fill_zero(void* device, std::size_t bytes) {
  std::memset(device, 0, bytes);
  mark_written(device, bytes);
}

void set_threads(int threads) { simt::options().os_threads = threads; }

}  // namespace vox::simt_device
