#pragma once

#include "engine/allocator.h"

namespace vox {

/// Finds the place of a request in the plan of this thread's ArenaScope. Of the allocator, under its lock.
class ArenaFollower {
 public:
  explicit ArenaFollower(Device);
  /// Null: from the pool.
  [[nodiscard]] std::byte* take(Arena&, std::size_t bytes);
  /// On the simt device: whose block that may have been, to be kept for its release.
  [[nodiscard]] PlannedBlocks* blocks() const { return scope_ == nullptr ? nullptr : scope_->blocks_; }

 private:
  [[nodiscard]] std::byte* find(Arena&, std::size_t bytes);
  [[nodiscard]] const ArenaPlan::Request* next(std::size_t bytes);

  ArenaScope* scope_;  ///< null: none on this device
};

}  // namespace vox
