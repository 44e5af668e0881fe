#pragma once

#include <cstddef>
#include <deque>
#include <map>
#include <mutex>
#include <string>

#include "kernels/simt/cells.h"

namespace vox::simt {

/// Device memory of the checking build: one range of addresses, with a cell for every two bytes of it. What is freed
/// stays unusable for a while and is then used again, so that a long run fits.
class Arena {
 public:
  static Arena& get();
  [[nodiscard]] static const Shadow& shadow() { return shadow_; }  ///< empty until somebody has called get()

  [[nodiscard]] void* allocate(std::size_t bytes, const char* name);
  void release(void*);
  void mark_written(const void*, std::size_t bytes);
  void retire(const void*);  ///< a block that nobody may touch until renew() makes it as allocate() does
  void renew(const void*);

  [[nodiscard]] std::string describe(const void*);

 private:
  struct Block {
    std::size_t bytes;  ///< that were asked for
    std::size_t room;   ///< that it takes, with the gap after it
    std::string name;
    bool freed = false;
  };

  Arena();
  void recycle_oldest();
  void forget(std::size_t offset, const Block&);
  void make_fresh(std::size_t offset, std::size_t bytes);

  std::mutex mutex_;
  std::byte* memory_ = nullptr;
  static Shadow shadow_;                     // NOLINT(readability-identifier-naming): a member, private
  std::map<std::size_t, Block> blocks_;      ///< by offset: in use, or freed and resting
  std::map<std::size_t, std::size_t> free_;  ///< offset and room; neighbours are joined
  std::deque<std::size_t> resting_;          ///< offsets of the freed ones, oldest first
  std::size_t resting_bytes_ = 0;
};

}  // namespace vox::simt
