#include "engine/allocator.h"

#ifdef __linux__
#include <sys/mman.h>
#endif

#include <algorithm>
#include <array>
#include <atomic>
#include <cstring>
#include <map>
#include <mutex>
#include <new>

#include "kernels/check.h"
#include "kernels/cuda/runtime.h"
#include "kernels/simt/memory.h"

namespace vox {
namespace {

constexpr std::size_t kAlignment = 64;        // one cache line; wide enough for every vector load
constexpr std::size_t kLarge = 2UL << 20U;    // one huge page: larger blocks are aligned to it
constexpr std::size_t kMaxKept = 1UL << 40U;  // no limit but the system's

#if defined(__SANITIZE_ADDRESS__)
constexpr bool kReuse = false;  // a reused block would hide a use after free
#else
constexpr bool kReuse = true;
#endif

std::atomic<FreshMemory> fresh_memory{FreshMemory::as_found};

/// Blocks come in sizes an eighth of a power of two apart, so that a block fits the next request of about its size.
std::size_t rounded(std::size_t bytes) {
  const std::size_t step = std::max(kAlignment, std::bit_floor(std::max<std::size_t>(bytes, 1)) / 8);
  return (bytes + step - 1) / step * step;
}

std::size_t alignment_of(std::size_t size) { return size >= kLarge ? kLarge : kAlignment; }

std::byte* from_system(std::size_t size, Device device) {
  if (device == Device::cuda) { return static_cast<std::byte*>(cuda::allocate(size)); }
  if (device == Device::simt) { return static_cast<std::byte*>(simt_device::allocate(size, "tensor")); }
  void* const p = ::operator new (size, std::align_val_t{alignment_of(size)}, std::nothrow);
#ifdef __linux__
  if (p != nullptr && size >= kLarge) { static_cast<void>(madvise(p, size, MADV_HUGEPAGE)); }
#endif
  return static_cast<std::byte*>(p);
}

void to_system(std::byte* p, std::size_t size, Device device) noexcept {
  if (device == Device::cuda) {
    cuda::release(p);
  } else if (device == Device::simt) {
    simt_device::release(p);
  } else {
    ::operator delete (p, std::align_val_t{alignment_of(size)});
  }
}

class Pool {
 public:
  explicit Pool(Device device) : device_(device) {}
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;
  ~Pool() { drop_kept(); }

  std::byte* allocate(std::size_t bytes) {
    const std::size_t size = size_of(bytes);
    const std::lock_guard lock(mutex_);
    std::byte* p = take_kept(size);
    if (p == nullptr) { p = from_system(size, device_); }
    if (p == nullptr) {  // what is kept in other sizes may be what is missing
      drop_kept();
      p = from_system(size, device_);
    }
    if (p == nullptr) {
      fail<MemoryError>(
          __FILE__, __LINE__,
          fmt::format("out of memory on {}: asked for {:.1f} MiB with {:.1f} MiB in use{}", name(device_),
                      static_cast<double>(size) / 0x1p20, static_cast<double>(report_.in_use_bytes) / 0x1p20,
                      device_ == Device::cuda
                          ? fmt::format(" and {:.1f} MiB free", static_cast<double>(cuda::free_bytes()) / 0x1p20)
                          : ""));
    }
    report_.in_use_bytes += size;
    report_.peak_bytes = std::max(report_.peak_bytes, report_.in_use_bytes);
    report_.reserved_bytes = report_.in_use_bytes + kept_bytes_;
    return p;
  }

  void release(std::byte* p, std::size_t bytes) noexcept {
    const std::size_t size = size_of(bytes);
    const std::lock_guard lock(mutex_);
    report_.in_use_bytes -= size;
    if (kReuse && device_ != Device::simt && kept_bytes_ + size <= kMaxKept) {
      try {
        kept_.emplace(size, p);
        kept_bytes_ += size;
        return;
      } catch (const std::bad_alloc&) {  // no room to remember it: give it back
        static_cast<void>(p);
      }
    }
    to_system(p, size, device_);
    report_.reserved_bytes = report_.in_use_bytes + kept_bytes_;
  }

  MemoryReport report() {
    const std::lock_guard lock(mutex_);
    return report_;
  }
  void reset_peak() {
    const std::lock_guard lock(mutex_);
    report_.peak_bytes = report_.in_use_bytes;
  }
  void release_unused() noexcept {
    const std::lock_guard lock(mutex_);
    drop_kept();
  }

 private:
  /// The simt device gets every block anew and of the very size: its checks know the ends and what was written.
  [[nodiscard]] std::size_t size_of(std::size_t bytes) const {
    return device_ == Device::simt ? bytes : rounded(bytes);
  }

  std::byte* take_kept(std::size_t size) {
    const auto found = kept_.find(size);
    if (found == kept_.end()) { return nullptr; }
    std::byte* const p = found->second;
    kept_.erase(found);
    kept_bytes_ -= size;
    return p;
  }
  void drop_kept() noexcept {
    for (const auto& [size, p] : kept_) { to_system(p, size, device_); }
    kept_.clear();
    kept_bytes_ = 0;
    report_.reserved_bytes = report_.in_use_bytes;
  }

  Device device_;
  std::mutex mutex_;
  MemoryReport report_;
  std::multimap<std::size_t, std::byte*> kept_;
  std::size_t kept_bytes_ = 0;
};

/// Never destroyed: a tensor with static storage may outlive any static pool.
Pool& pool_of(Device device) {
  static auto* const pools =
      new std::array<Pool, 3>{Pool{Device::cpu}, Pool{Device::cuda}, Pool{Device::simt}};  // NOLINT
  return (*pools)[static_cast<std::size_t>(device)];
}

}  // namespace

std::byte* allocate(std::size_t bytes, Device device) {
  if (bytes == 0) { return nullptr; }
  std::byte* const p = pool_of(device).allocate(bytes);
  if (device == Device::cpu && fresh_memory.load() == FreshMemory::nan) { std::memset(p, 0xFF, bytes); }
  return p;
}

void release(std::byte* p, std::size_t bytes, Device device) noexcept {
  if (p != nullptr) { pool_of(device).release(p, bytes); }
}

MemoryReport memory_report(Device device) { return pool_of(device).report(); }
void reset_peak(Device device) { pool_of(device).reset_peak(); }
void release_unused(Device device) noexcept { pool_of(device).release_unused(); }
void set_fresh_memory(FreshMemory what) { fresh_memory = what; }

}  // namespace vox
