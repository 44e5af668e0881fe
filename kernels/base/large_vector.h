#pragma once

#include <cstddef>
#include <limits>
#include <memory>
#include <new>
#include <span>
#include <type_traits>
#include <vector>

namespace vox {

inline constexpr std::size_t kCacheLine = 64;  ///< bytes; wide enough for every vector load
inline constexpr std::size_t kHugePage = 2UL << 20U;

/// Host memory of at least so many bytes, aligned to a cache line; of 2 MiB and more aligned to that and in huge pages
/// where the system has them, which take 1/512 of the page faults. nullptr where there is none.
[[nodiscard]] std::byte* large_block(std::size_t bytes) noexcept;
void release_large_block(std::byte*, std::size_t bytes) noexcept;

/// While one lives, released blocks of vectors and LargeBytes are kept for others of their size, up to so many bytes,
/// of several the sum: what a job that handles one volume after another asks for again and again need not be cleared by
/// the system each time. Not under the address sanitizer, which would see no use after release.
class KeptBlocks {
 public:
  explicit KeptBlocks(std::size_t most_bytes);
  KeptBlocks(const KeptBlocks&) = delete;
  KeptBlocks& operator=(const KeptBlocks&) = delete;
  ~KeptBlocks();

 private:
  std::size_t most_bytes_;
};

/// The same as large_block(), or one that is kept.
[[nodiscard]] std::byte* reused_block(std::size_t bytes) noexcept;
void release_reused_block(std::byte*, std::size_t bytes) noexcept;

/// A large block that is not cleared. Throws std::bad_alloc.
class LargeBytes {
 public:
  LargeBytes() = default;
  explicit LargeBytes(std::size_t bytes);

  [[nodiscard]] std::byte* data() const { return block_.get(); }
  [[nodiscard]] std::span<std::byte> all() const { return {block_.get(), block_.get_deleter().bytes}; }

 private:
  struct Release {
    std::size_t bytes;
    void operator()(std::byte* p) const noexcept { release_reused_block(p, bytes); }
  };
  std::unique_ptr<std::byte, Release> block_{nullptr, Release{0}};
};

/// LargeVector<float> v(n, uncleared): the values are anything until they are written.
struct Uncleared {};
inline constexpr Uncleared uncleared;  // NOLINT(readability-identifier-naming): as std::nothrow

template <class T> class LargeAllocator {
 public:
  using value_type = T;
  using is_always_equal = std::true_type;  // so that a vector's move assignment is noexcept

  LargeAllocator() = default;
  LargeAllocator(Uncleared /*values*/) noexcept : clears_(false) {}
  template <class U> LargeAllocator(const LargeAllocator<U>& other) noexcept : clears_(other.clears()) {}  // a rebind

  /// Of a value for which none was given.
  template <class U> void construct(U* p) const {
    if (clears_) {
      ::new (static_cast<void*>(p)) U();
    } else {
      ::new (static_cast<void*>(p)) U;
    }
  }
  [[nodiscard]] bool clears() const { return clears_; }

  [[nodiscard]] T* allocate(std::size_t n) {
    if (n > std::numeric_limits<std::size_t>::max() / sizeof(T)) { throw std::bad_array_new_length(); }
    std::byte* const p = reused_block(n * sizeof(T));
    if (p == nullptr) { throw std::bad_alloc(); }
    return reinterpret_cast<T*>(p);
  }
  void deallocate(T* p, std::size_t n) noexcept {
    release_reused_block(reinterpret_cast<std::byte*>(p), n * sizeof(T));
  }

  template <class U> bool operator==(const LargeAllocator<U>& /*same memory*/) const { return true; }

 private:
  bool clears_ = true;
};

/// Of the voxels of a volume: std::vector in large blocks.
template <class T> using LargeVector = std::vector<T, LargeAllocator<T>>;

}  // namespace vox
