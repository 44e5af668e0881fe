#pragma once

#include <cstddef>
#include <limits>
#include <map>
#include <span>
#include <vector>

#include "engine/dry_run.h"

namespace vox {

/// Where the blocks of a run lie that always asks for the same ones, such as a training step: one piece of memory, in
/// which two blocks may share bytes where one is given back before the other is asked for.
struct ArenaPlan {
  static constexpr std::size_t kOutside = std::numeric_limits<std::size_t>::max();
  struct Request {
    std::size_t bytes = 0;          ///< as memory_report() counts it
    std::size_t offset = kOutside;  ///< kOutside: outlives the run, has no place in the arena
  };
  std::vector<Request> requests;  ///< in their order
  std::size_t bytes = 0;          ///< of the arena
  std::size_t live_bytes = 0;     ///< the most that lives in it at once: no plan needs less
};

/// Places what this device is asked for from time `from` on. Greedy: the largest block first, each where the gap
/// between those it meets is smallest. Memory planning of fixed graphs is NP-hard (dynamic storage allocation, Garey
/// and Johnson, problem SR2); this comes within some percent of live_bytes, see `voxgrad plan`.
/// tries: how often at most.
[[nodiscard]] ArenaPlan plan_arena(std::span<const DryBlock>, Device, std::size_t from, std::size_t tries = 200);

/// Which bytes of a piece of memory are taken. Owns nothing.
class Arena {
 public:
  Arena() = default;
  Arena(std::byte* data, std::size_t bytes) : data_(data), bytes_(bytes) {}

  [[nodiscard]] std::byte* data() const { return data_; }
  [[nodiscard]] std::size_t size_bytes() const { return bytes_; }
  [[nodiscard]] bool empty() const { return taken_.empty(); }
  [[nodiscard]] std::size_t taken() const { return taken_.size(); }  ///< blocks
  [[nodiscard]] bool holds(const std::byte* p) const { return p >= data_ && p < data_ + bytes_; }

  [[nodiscard]] std::byte* take_at(std::size_t offset, std::size_t bytes);  ///< null where some of it is taken
  [[nodiscard]] std::byte* take_smallest_gap(std::size_t bytes);            ///< null where there is none
  void give_back(const std::byte*);

 private:
  std::byte* data_ = nullptr;
  std::size_t bytes_ = 0;
  std::map<std::size_t, std::size_t> taken_;  ///< offset to end
};

}  // namespace vox
