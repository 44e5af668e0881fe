#include "kernels/simt/memory.h"

#include <atomic>
#include <cstdlib>
#include <cstring>
#include <new>

#include "kernels/base/check.h"
#include "kernels/simt/arena.h"
#include "kernels/simt/asan.h"
#include "kernels/simt/launch.h"
#include "kernels/simt/options.h"
#include "kernels/simt/recording.h"
#include "kernels/simt/shadow.h"

namespace vox::simt_device {
namespace {

constexpr std::align_val_t kAlignment{256};  // as cudaMalloc

void mark_written(const void* p, std::size_t bytes) {
  if constexpr (simt::kChecked) { simt::Arena::get().mark_written(p, bytes); }
}

std::atomic<std::int64_t> copies_in{0};
std::atomic<std::int64_t> copies_out{0};
std::atomic<std::int64_t> replays{0};

}  // namespace

// Exact sizes: AddressSanitizer, or the checking build's arena, knows where each block ends.
void* allocate(std::size_t bytes, const char* name) {
  refuse_while_recording("memory is asked of the system");
  if constexpr (simt::kChecked) { return simt::Arena::get().allocate(bytes, name); }
  void* p = ::operator new(bytes, kAlignment, std::nothrow);
  if (p == nullptr) {
    fail<MemoryError>(__FILE__, __LINE__, fmt::format("simt: no memory for {} ({} bytes)", name, bytes));
  }
  std::memset(p, 0xFF, bytes);
  return p;
}

void release(void* p) noexcept {
  if (Recording* const r = recording()) {  // nobody would catch it here
    r->refuse("simt: memory is given back to the system while work is recorded, which CUDA refuses");
  }
  if constexpr (simt::kChecked) {
    simt::Arena::get().release(p);
  } else {
    ::operator delete(p, kAlignment);
  }
}

void copy_in(void* device, const void* host, std::size_t bytes) {
  refuse_while_recording("a copy to the device from memory that is not page-locked");
  ++copies_in;
  std::memmove(device, host, bytes);
  mark_written(device, bytes);
}

void copy_out(void* host, const void* device, std::size_t bytes) {
  refuse_while_recording("a copy to the host, which waits for the device,");
  ++copies_out;
  std::memmove(host, device, bytes);
}

void copy_within(void* to, const void* from, std::size_t bytes) {
  submit([=] {
    std::memmove(to, from, bytes);
    mark_written(to, bytes);
  });
}

Work work() {
  return {.launches = simt::launches(), .replays = replays, .copies_in = copies_in, .copies_out = copies_out};
}
void count_replay() { ++replays; }

void fill_zero(void* device, std::size_t bytes) {
  submit([=] {
    std::memset(device, 0, bytes);
    mark_written(device, bytes);
  });
}

void retire(void* device, std::size_t bytes) {
  submit([=] {
    if constexpr (simt::kChecked) { simt::Arena::get().retire(device); }
    simt::poison(device, bytes);
  });
}

void renew(void* device, std::size_t bytes) {
  submit([=] {
    simt::unpoison(device, bytes);
    if constexpr (simt::kChecked) { return simt::Arena::get().renew(device); }
    std::memset(device, 0xFF, bytes);
  });
}

void set_threads(int threads) { simt::options().os_threads = threads; }

}  // namespace vox::simt_device
