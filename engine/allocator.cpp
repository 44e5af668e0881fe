#include "engine/allocator.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>
#include <new>
#include <string_view>
#include <utility>

#include "engine/arena_follower.h"
#include "engine/context.h"
#include "kernels/base/check.h"
#include "kernels/base/large_vector.h"
#include "kernels/base/sanitizer.h"
#include "kernels/cuda/runtime.h"
#include "kernels/simt/memory.h"

namespace vox {
namespace {

constexpr std::size_t kCudaAlignment = 256;  // what cudaMalloc gives

constexpr bool kReuse = !kAddressSanitizer;  // a reused block would hide a use after free

/// The simt device's checks know where a block ends and what was written.
bool exact(Device device) { return device == Device::simt || blocks() != Blocks::pooled; }

std::atomic<FreshMemory> fresh_memory{FreshMemory::as_found};

/// Blocks of the pool come in sizes an eighth of a power of two apart, so that a block fits the next request of about
/// its size.
std::size_t rounded(std::size_t bytes) {
  const std::size_t step = std::max(kCacheLine, std::bit_floor(std::max<std::size_t>(bytes, 1)) / 8);
  return (bytes + step - 1) / step * step;
}

std::byte* from_system(std::size_t size, Device device) {
  if (device == Device::cuda) { return static_cast<std::byte*>(cuda::allocate(size)); }
  if (device == Device::simt) { return static_cast<std::byte*>(simt_device::allocate(size, "tensor")); }
  return large_block(size);
}

void to_system(std::byte* p, std::size_t size, Device device) noexcept {
  if (device == Device::cuda) {
    cuda::release(p);
  } else if (device == Device::simt) {
    simt_device::release(p);
  } else {
    release_large_block(p, size);
  }
}

class Pool {
 public:
  explicit Pool(Device device) : device_(device) {}
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;
  ~Pool() {
    drop_kept();
    drop_arena();
  }

  std::byte* allocate(std::size_t bytes) {
    const std::size_t counted = counted_bytes(bytes, device_);
    const std::lock_guard lock(mutex_);
    ArenaFollower follower(device_);
    std::byte* p = follower.take(arena_, counted);
    if (p == nullptr) {
      p = from_pool(bytes);
    } else if (follower.blocks() != nullptr) {
      planned_[p] = follower.blocks();
    }
    in_use_bytes_ += counted;
    peak_bytes_ = std::max(peak_bytes_, in_use_bytes_);
    return p;
  }

  // What would throw is a block that nobody gave out: it ends the program.
  void release(std::byte* p, std::size_t bytes) noexcept {  // NOLINT(bugprone-exception-escape)
    const std::lock_guard lock(mutex_);
    in_use_bytes_ -= counted_bytes(bytes, device_);
    if (arena_.holds(p)) { return arena_.give_back(p); }
    if (const auto found = planned_.find(p); found != planned_.end()) {
      found->second->give_back(p);
      planned_.erase(found);
      return;
    }
    const std::size_t size = vox::pool_bytes(bytes, device_);
    if (kReuse && !exact(device_)) {
      try {
        kept_.emplace(size, p);
        return;
      } catch (const std::bad_alloc&) {  // no room to remember it: give it back
        static_cast<void>(p);
      }
    }
    to_system(p, size, device_);
    pool_bytes_ -= size;
  }

  void reserve_arena(std::size_t bytes) {
    const std::lock_guard lock(mutex_);
    if (!kReuse || exact(device_) || bytes <= arena_.size_bytes() || !arena_.empty()) { return; }
    drop_arena();
    const std::size_t size = (bytes + kHugePage - 1) / kHugePage * kHugePage;
    arena_ = Arena(from_system_or_fail(size), size);
  }

  MemoryReport report() {
    const std::lock_guard lock(mutex_);
    return {
        .in_use_bytes = in_use_bytes_, .peak_bytes = peak_bytes_, .reserved_bytes = pool_bytes_ + arena_.size_bytes()};
  }
  ArenaScope::Memory arena_memory() {
    const std::lock_guard lock(mutex_);
    return {.at = arena_.data(), .bytes = arena_.size_bytes(), .taken = arena_.taken()};
  }
  void reset_peak() {
    const std::lock_guard lock(mutex_);
    peak_bytes_ = in_use_bytes_;
  }
  void release_unused() noexcept {
    const std::lock_guard lock(mutex_);
    drop_kept();
    if (arena_.empty()) { drop_arena(); }
  }

 private:
  std::byte* from_pool(std::size_t bytes) {
    const std::size_t size = vox::pool_bytes(bytes, device_);
    if (const auto found = kept_.find(size); found != kept_.end()) {
      std::byte* const p = found->second;
      kept_.erase(found);
      return p;
    }
    std::byte* const p = from_system_or_fail(size);
    pool_bytes_ += size;
    return p;
  }

  std::byte* from_system_or_fail(std::size_t size) {
    if (std::byte* const p = from_system(size, device_)) { return p; }
    drop_kept();  // what is kept in other sizes may be what is missing
    if (std::byte* const p = from_system(size, device_)) { return p; }
    fail<MemoryError>(
        __FILE__, __LINE__,
        fmt::format("out of memory on {}: asked for {:.1f} MiB with {:.1f} MiB in use{}", name(device_),
                    static_cast<double>(size) / 0x1p20, static_cast<double>(in_use_bytes_) / 0x1p20,
                    device_ == Device::cuda
                        ? fmt::format(" and {:.1f} MiB free", static_cast<double>(cuda::free_bytes()) / 0x1p20)
                        : ""));
  }

  void drop_kept() noexcept {
    for (const auto& [size, p] : kept_) {
      to_system(p, size, device_);
      pool_bytes_ -= size;
    }
    kept_.clear();
  }
  void drop_arena() noexcept {
    if (arena_.size_bytes() > 0) { to_system(arena_.data(), arena_.size_bytes(), device_); }
    arena_ = Arena();
  }

  Device device_;
  std::mutex mutex_;
  std::size_t in_use_bytes_ = 0;
  std::size_t peak_bytes_ = 0;
  std::size_t pool_bytes_ = 0;  // in use or kept
  std::multimap<std::size_t, std::byte*> kept_;
  Arena arena_;
  std::map<std::byte*, PlannedBlocks*> planned_;  // of the simt device: taken ones
};

/// Never destroyed: a tensor with static storage may outlive any static pool.
Pool& pool_of(Device device) {
  static auto* const pools =
      new std::array<Pool, 3>{Pool{Device::cpu}, Pool{Device::cuda}, Pool{Device::simt}};  // NOLINT
  return (*pools)[static_cast<std::size_t>(device)];
}

void make_nan(std::byte* p, std::size_t bytes, Device device) {
  constexpr unsigned char kNan = 0xFF;
  if (device == Device::cpu) { std::memset(p, kNan, bytes); }
  if (device == Device::cuda) { cuda::fill(p, kNan, bytes, cuda_queue().stream); }
}

}  // namespace

ArenaScope::Memory ArenaScope::memory() const {
  return blocks_ != nullptr ? Memory{.at = blocks_, .bytes = 0, .taken = blocks_->taken()}
                            : pool_of(device_).arena_memory();
}

std::size_t counted_bytes(std::size_t bytes, Device device) {
  if (device == Device::simt) { return bytes; }
  const std::size_t alignment = device == Device::cuda ? kCudaAlignment : kCacheLine;
  return (bytes + alignment - 1) / alignment * alignment;
}

std::size_t pool_bytes(std::size_t bytes, Device device) { return exact(device) ? bytes : rounded(bytes); }

std::byte* allocate(std::size_t bytes, Device device) {
  if (bytes == 0) { return nullptr; }
  std::byte* const p = pool_of(device).allocate(bytes);
  const bool nan = blocks() == Blocks::pooled ? fresh_memory.load() == FreshMemory::nan : blocks() == Blocks::exact_nan;
  if (nan) { make_nan(p, bytes, device); }
  return p;
}

void release(std::byte* p, std::size_t bytes, Device device) noexcept {  // NOLINT(bugprone-exception-escape): as above
  if (p != nullptr) { pool_of(device).release(p, bytes); }
}

Blocks blocks_of(const char* value) {
  const std::string_view word = value == nullptr ? "" : value;
  if (word == "nan") { return Blocks::exact_nan; }
  if (word == "unwritten") { return Blocks::exact_unwritten; }
  VOX_CHECK(word.empty(), "VOXGRAD_EXACT_MEMORY is '{}', wants nan or unwritten", word);
  return Blocks::pooled;
}

Blocks blocks() {
  static const Blocks b = blocks_of(std::getenv("VOXGRAD_EXACT_MEMORY"));  // NOLINT(concurrency-mt-unsafe)
  return b;
}

MemoryReport memory_report(Device device) { return pool_of(device).report(); }
void reserve_arena(Device device, std::size_t bytes) { pool_of(device).reserve_arena(bytes); }
void reset_peak(Device device) { pool_of(device).reset_peak(); }
void release_unused(Device device) noexcept { pool_of(device).release_unused(); }
void set_fresh_memory(FreshMemory what) { fresh_memory = what; }

}  // namespace vox
