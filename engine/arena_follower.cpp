#include "engine/arena_follower.h"

#include <algorithm>
#include <utility>

namespace vox {
namespace {

thread_local ArenaScope* scope = nullptr;

}  // namespace

ArenaScope::ArenaScope(Device device, const ArenaPlan& plan, PlannedBlocks* planned)
    : device_(device), plan_(plan), blocks_(planned), outer_(std::exchange(scope, this)) {}
ArenaScope::~ArenaScope() { scope = outer_; }

ArenaFollower::ArenaFollower(Device device) : scope_(scope != nullptr && scope->device_ == device ? scope : nullptr) {}

std::byte* ArenaFollower::take(Arena& arena, std::size_t bytes) {
  if (scope_ == nullptr) { return nullptr; }
  std::byte* const p = find(arena, bytes);
  if (p == nullptr) { ++scope_->from_pool_; }
  return p;
}

std::byte* ArenaFollower::find(Arena& arena, std::size_t bytes) {
  PlannedBlocks* const blocks = scope_->blocks_;
  if (blocks == nullptr && arena.size_bytes() == 0) { return nullptr; }
  std::byte* p = nullptr;
  if (const ArenaPlan::Request* const planned = next(bytes)) {
    if (planned->offset == ArenaPlan::kOutside) { return nullptr; }
    p = blocks != nullptr ? blocks->take(scope_->next_ - 1, bytes) : arena.take_at(planned->offset, bytes);
  }
  if (p != nullptr) { return p; }
  ++scope_->strays_;
  return blocks != nullptr ? nullptr : arena.take_smallest_gap(bytes);
}

/// The next request of the plan if this one fits into it, else one that comes soon and has the very size.
const ArenaPlan::Request* ArenaFollower::next(std::size_t bytes) {
  constexpr std::size_t kLookAhead = 8;
  const auto& all = scope_->plan_.requests;
  for (std::size_t i = scope_->next_; i < std::min(all.size(), scope_->next_ + kLookAhead); ++i) {
    if (all[i].bytes == bytes || (i == scope_->next_ && all[i].bytes > bytes)) {
      scope_->next_ = i + 1;
      return &all[i];
    }
  }
  return nullptr;
}

}  // namespace vox
