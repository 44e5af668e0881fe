#pragma once

#include <cstddef>

#include "engine/arena.h"
#include "engine/planned_blocks.h"
#include "engine/types.h"

namespace vox {

/// Bytes handed out by the allocator of one device.
struct MemoryReport {
  std::size_t in_use_bytes = 0;    ///< now, in live storages
  std::size_t peak_bytes = 0;      ///< largest in_use_bytes since reset_peak()
  std::size_t reserved_bytes = 0;  ///< taken from the system: what is in use, kept for reuse, lost to rounding
};

/// What a request counts for in the report: its bytes, rounded up so that the next block is aligned.
[[nodiscard]] std::size_t counted_bytes(std::size_t bytes, Device);
/// What it takes from the system where it has no place in an arena.
[[nodiscard]] std::size_t pool_bytes(std::size_t bytes, Device);

/// Bytes aligned to 64 (2 MiB for large blocks, which ask for huge pages). Released blocks are kept and reused by the
/// next request of about their size. Throws MemoryError saying how much was asked, used and kept. Thread-safe.
[[nodiscard]] std::byte* allocate(std::size_t bytes, Device);
void release(std::byte*, std::size_t bytes, Device) noexcept;  // NOLINT(bugprone-exception-escape): see there

[[nodiscard]] MemoryReport memory_report(Device);
void reset_peak(Device);
void release_unused(Device) noexcept;  ///< gives the blocks kept for reuse back to the system, the arena too if empty

/// One piece of memory for planned blocks (engine/arena.h), beside the pool. Grows to the largest that was asked for;
/// there is none where reuse would hide a fault: under AddressSanitizer, and on the simt device.
void reserve_arena(Device, std::size_t bytes);

/// While one lives, this thread's requests go to the device's arena: those that follow the plan where it says, others
/// into the smallest gap. What finds no place there comes from the pool, so that any request is served.
class ArenaScope {
 public:
  /// blocks: on the simt device, what stands for the arena there.
  ArenaScope(Device, const ArenaPlan&, PlannedBlocks* blocks = nullptr);
  ~ArenaScope();
  ArenaScope(const ArenaScope&) = delete;
  ArenaScope& operator=(const ArenaScope&) = delete;
  ArenaScope(ArenaScope&&) = delete;
  ArenaScope& operator=(ArenaScope&&) = delete;
  /// Requests that were not served where the plan says.
  [[nodiscard]] std::size_t strays() const { return strays_; }
  /// Requests that came from the pool: strays for which there was no gap, blocks that the plan has no place for, and
  /// all of them where there is no arena.
  [[nodiscard]] std::size_t from_pool() const { return from_pool_; }
  [[nodiscard]] const ArenaPlan& plan() const { return plan_; }
  /// The memory that planned blocks lie in, and how many blocks of it are taken now, by whomever.
  struct Memory {
    const void* at = nullptr;
    std::size_t bytes = 0;
    std::size_t taken = 0;
    friend bool operator==(const Memory&, const Memory&) = default;
  };
  [[nodiscard]] Memory memory() const;

 private:
  friend class ArenaFollower;
  Device device_;
  const ArenaPlan& plan_;
  std::size_t next_ = 0;
  std::size_t strays_ = 0;
  std::size_t from_pool_ = 0;
  PlannedBlocks* blocks_;
  ArenaScope* outer_;
};

/// How blocks are taken from the system. exact: each at its very size, given back as soon as it is released, and no
/// arena, so that compute-sanitizer or valgrind knows where a block ends and that it is gone. nan fills each with bytes
/// 0xFF, for whoever reads what was never written; unwritten fills none, whatever set_fresh_memory() says, for a
/// checker to which filling is writing. The simt device is exact anyhow.
enum class Blocks : unsigned char { pooled, exact_nan, exact_unwritten };
/// By the value of the environment variable VOXGRAD_EXACT_MEMORY: none or empty, nan, unwritten. Throws Error for
/// others.
[[nodiscard]] Blocks blocks_of(const char* value);
[[nodiscard]] Blocks blocks();  ///< of this program, from its first block on

/// What a test sees in memory nobody has written: as_found, or all bytes 0xFF, which is NaN in every float type. The
/// simt device needs none of it: it knows what was written.
enum class FreshMemory : unsigned char { as_found, nan };
void set_fresh_memory(FreshMemory);

}  // namespace vox
