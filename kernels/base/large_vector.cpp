#include "kernels/base/large_vector.h"

#include "kernels/base/sanitizer.h"

#ifdef __linux__
#include <sys/mman.h>
#endif

#include <algorithm>
#include <mutex>

namespace vox {
namespace {

constexpr bool kReuse = !kAddressSanitizer;

class Kept {
 public:
  std::byte* take(std::size_t bytes) noexcept {
    const std::lock_guard lock(mutex_);
    const auto found = std::ranges::find(blocks_, bytes, &Block::bytes);
    if (found == blocks_.end()) { return nullptr; }
    std::byte* const start = found->start;
    total_ -= bytes;
    *found = blocks_.back();
    blocks_.pop_back();
    return start;
  }

  bool keep(std::byte* start, std::size_t bytes) noexcept {
    const std::lock_guard lock(mutex_);
    if (bytes > most_ - std::min(most_, total_) || blocks_.size() == blocks_.capacity()) { return false; }
    blocks_.push_back({start, bytes});
    total_ += bytes;
    return true;
  }

  void allow(std::size_t bytes) {
    const std::lock_guard lock(mutex_);
    blocks_.reserve(kMostBlocks);  // keep() allocates nothing
    most_ += bytes;
  }

  /// Drops what is then too much.
  void disallow(std::size_t bytes) {
    const std::lock_guard lock(mutex_);
    most_ -= bytes;
    while (total_ > most_) {
      total_ -= blocks_.back().bytes;
      release_large_block(blocks_.back().start, blocks_.back().bytes);
      blocks_.pop_back();
    }
  }

 private:
  struct Block {
    std::byte* start;
    std::size_t bytes;
  };
  static constexpr std::size_t kMostBlocks = 1024;

  std::mutex mutex_;
  std::vector<Block> blocks_;
  std::size_t most_ = 0;
  std::size_t total_ = 0;
};

Kept& kept() {
  static Kept all;
  return all;
}

/// A block of about the size of another is then of the same.
std::size_t in_huge_pages(std::size_t bytes) {
  return bytes < kHugePage ? bytes : (bytes + kHugePage - 1) / kHugePage * kHugePage;
}

std::align_val_t alignment_of(std::size_t bytes) {
  return std::align_val_t{bytes >= kHugePage ? kHugePage : kCacheLine};
}

}  // namespace

std::byte* large_block(std::size_t bytes) noexcept {
  void* const p = ::operator new(bytes, alignment_of(bytes), std::nothrow);
#ifdef __linux__
  if (p != nullptr && bytes >= kHugePage) { static_cast<void>(madvise(p, bytes, MADV_HUGEPAGE)); }
#endif
  return static_cast<std::byte*>(p);
}

void release_large_block(std::byte* p, std::size_t bytes) noexcept { ::operator delete(p, alignment_of(bytes)); }

KeptBlocks::KeptBlocks(std::size_t most_bytes) : most_bytes_(most_bytes) { kept().allow(most_bytes); }
KeptBlocks::~KeptBlocks() { kept().disallow(most_bytes_); }

std::byte* reused_block(std::size_t bytes) noexcept {
  const std::size_t whole = in_huge_pages(bytes);
  std::byte* const p = kReuse && whole >= kHugePage ? kept().take(whole) : nullptr;
  return p != nullptr ? p : large_block(whole);
}

void release_reused_block(std::byte* p, std::size_t bytes) noexcept {
  const std::size_t whole = in_huge_pages(bytes);
  if (kReuse && whole >= kHugePage && p != nullptr && kept().keep(p, whole)) { return; }
  release_large_block(p, whole);
}

LargeBytes::LargeBytes(std::size_t bytes) : block_(reused_block(bytes), Release{bytes}) {
  if (block_ == nullptr) { throw std::bad_alloc(); }
}

}  // namespace vox
