#include "kernels/simt/arena.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstring>
#include <iterator>

#include "kernels/base/check.h"

namespace vox::simt {
namespace {

constexpr std::size_t kBytes = std::size_t{4} << 30U;     // of addresses: memory is taken when it is touched
constexpr std::size_t kResting = std::size_t{64} << 20U;  // freed ranges that are kept out of use
constexpr std::size_t kAlignment = 256;                   // as cudaMalloc
constexpr std::size_t kGap = 512;                         // an overrun ends here and not in the next block

void* reserve(std::size_t bytes) {
  void* p = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (p == MAP_FAILED) { fail<MemoryError>(__FILE__, __LINE__, "simt: no addresses for checked device memory"); }
  return p;
}

}  // namespace

Arena& Arena::get() {
  static auto* a = new Arena;  // NOLINT: outlives every tensor of static lifetime
  return *a;
}

constinit Shadow Arena::shadow_{};

Arena::Arena() : memory_(static_cast<std::byte*>(reserve(kBytes))) {
  shadow_ = {.memory = memory_, .bytes = kBytes, .cells = {}};
  make_shadow(shadow_);
  free_[kAlignment] = kBytes - kAlignment;
}

void* Arena::allocate(std::size_t bytes, const char* name) {
  const std::lock_guard lock(mutex_);
  const std::size_t room = (bytes + kGap + kAlignment - 1) / kAlignment * kAlignment;
  const auto find = [&] { return std::ranges::find_if(free_, [&](const auto& f) { return f.second >= room; }); };
  auto found = find();
  while (found == free_.end() && !resting_.empty()) {
    recycle_oldest();
    found = find();
  }
  if (found == free_.end()) {
    fail<MemoryError>(__FILE__, __LINE__, fmt::format("simt: no {} bytes left of checked device memory", bytes));
  }
  const auto [at, size] = *found;
  free_.erase(found);
  if (size > room) { free_[at + room] = size - room; }
  blocks_[at] = {bytes, room, name};
  make_fresh(at, bytes);
  return memory_ + at;
}

void Arena::make_fresh(std::size_t at, std::size_t bytes) {
  std::memset(memory_ + at, 0xFF, bytes);
  set_state(shadow_, memory_ + at, bytes, kAllocated);
}

void Arena::retire(const void* p) {
  const std::lock_guard lock(mutex_);
  const auto& [at, block] = *blocks_.find(shadow_.offset(p));
  forget(at, block);
}

void Arena::renew(const void* p) {
  const std::lock_guard lock(mutex_);
  const auto& [at, block] = *blocks_.find(shadow_.offset(p));
  make_fresh(at, block.bytes);
}

/// Its memory back to the system, whole pages of it, and its cells to "not allocated".
void Arena::forget(std::size_t at, const Block& b) {
  set_state(shadow_, memory_ + at, b.bytes, 0);
  give_back(memory_ + at, b.bytes);
  drop_stamps(shadow_, memory_ + at, b.bytes);
}

void Arena::release(void* p) {
  const std::lock_guard lock(mutex_);
  const auto found = blocks_.find(shadow_.offset(p));
  if (found == blocks_.end() || found->second.freed) { return; }
  found->second.freed = true;
  forget(found->first, found->second);
  resting_.push_back(found->first);
  resting_bytes_ += found->second.room;
  while (resting_bytes_ > kResting) { recycle_oldest(); }
}

void Arena::recycle_oldest() {
  const std::size_t at = resting_.front();
  resting_.pop_front();
  const auto block = blocks_.find(at);
  std::size_t room = block->second.room;
  resting_bytes_ -= room;
  blocks_.erase(block);
  auto next = free_.lower_bound(at);
  if (next != free_.end() && next->first == at + room) {
    room += next->second;
    next = free_.erase(next);
  }
  if (next != free_.begin()) {
    const auto before = std::prev(next);
    if (before->first + before->second == at) {
      before->second += room;
      return;
    }
  }
  free_[at] = room;
}

void Arena::mark_written(const void* p, std::size_t bytes) {
  std::uint8_t* state = shadow_.at(p).state;
  for (std::size_t i = 0; i < cell_count(bytes); ++i) { state[i] |= kWritten; }
}

std::string Arena::describe(const void* p) {
  const std::lock_guard lock(mutex_);
  auto block = blocks_.upper_bound(shadow_.offset(p));
  if (block == blocks_.begin()) { return "device memory before the first allocation"; }
  --block;
  const auto& [at, b] = *block;
  return fmt::format("{} + {} ({} bytes{})", b.name, shadow_.offset(p) - at, b.bytes, b.freed ? ", freed" : "");
}

}  // namespace vox::simt
