#pragma once

#include <cstddef>
#include <map>
#include <vector>

namespace vox {

/// What stands for an arena on the simt device, where bytes that two blocks share would hide a fault: a block of its
/// own for every request of a plan, made at its first request and the same in every run. Between its release and the
/// next request nobody may touch it, and then it is as fresh as any: the device's checks see what they see elsewhere.
class PlannedBlocks {
 public:
  PlannedBlocks() = default;
  ~PlannedBlocks();  ///< none may be taken
  PlannedBlocks(const PlannedBlocks&) = delete;
  PlannedBlocks& operator=(const PlannedBlocks&) = delete;
  PlannedBlocks(PlannedBlocks&&) = delete;
  PlannedBlocks& operator=(PlannedBlocks&&) = delete;

  /// The block of that request of the plan; null where it is taken.
  [[nodiscard]] std::byte* take(std::size_t request, std::size_t bytes);
  void give_back(std::byte*);
  [[nodiscard]] std::size_t taken() const { return taken_.size(); }

 private:
  struct Block {
    std::byte* data = nullptr;
    std::size_t bytes = 0;
  };
  std::vector<Block> blocks_;                ///< by request
  std::map<std::byte*, std::size_t> taken_;  ///< to its request
};

}  // namespace vox
