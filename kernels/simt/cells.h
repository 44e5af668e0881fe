#pragma once

#include <cstddef>
#include <cstdint>

/// What the checking build keeps of every two bytes of shared and device memory.
namespace vox::simt {

inline constexpr unsigned kCellShift = 1;  ///< two bytes: what the smallest type that is computed in, bf16, takes
inline constexpr std::size_t kCellBytes = std::size_t{1} << kCellShift;
inline constexpr std::uint8_t kWholeCell = (1U << kCellBytes) - 1;

/// When memory was touched and by whom, in one number, so that most checks compare two numbers. From the top: the epoch
/// (32 bits), the thread's clock (20), the thread in its block (10), the bytes of the cell that it touched (2: labels,
/// of one byte, lie two to a cell). An epoch ends with a block and at each of its barriers; no two blocks share one.
using Stamp = std::uint64_t;
inline constexpr std::uint32_t kMostClocks = 1U << 20U;

constexpr Stamp begin_of(std::uint32_t epoch) { return Stamp{epoch} << 32U; }  ///< below every stamp of the epoch
constexpr Stamp stamp(std::uint32_t epoch, std::uint32_t clock, unsigned thread, std::uint8_t bytes = kWholeCell) {
  return begin_of(epoch) | Stamp{clock} << 12U | Stamp{thread} << 2U | bytes;
}
constexpr std::uint32_t clock_of(Stamp s) { return static_cast<std::uint32_t>(s >> 12U) & (kMostClocks - 1); }
constexpr unsigned thread_of(Stamp s) { return static_cast<unsigned>(s >> 2U) & 0x3FFU; }
constexpr std::uint8_t bytes_of(Stamp s) { return static_cast<std::uint8_t>(s & kWholeCell); }

enum CellState : std::uint8_t {
  kAllocated = 1,
  kWritten = 2,
  kInFlight = 4,      ///< an asynchronous copy goes there
  kReadByBlocks = 8,  ///< by more than one of a launch
  kUpdated = 16,      ///< by an atomic: only then is Cells::atomic worth a look
};

/// Cells that follow each other: an array for each thing that is known of them. Stamps that were never set are 0; those
/// of an earlier launch, and in shared memory of an earlier block, say nothing and stay.
struct Cells {
  std::uint8_t* state = nullptr;
  Stamp* write = nullptr;        ///< of two threads with a byte each the later: more may be missed, none is invented
  Stamp* read = nullptr;         ///< two readers of a block: likewise
  Stamp* second_read = nullptr;  ///< of the same block as `read`
  Stamp* atomic = nullptr;

  [[nodiscard]] Cells from(std::size_t i) const {
    return {state + i, write + i, read + i, second_read + i, atomic + i};
  }
};

/// A range of addresses and its cells.
struct Shadow {
  const std::byte* memory = nullptr;
  std::size_t bytes = 0;
  Cells cells;

  [[nodiscard]] bool holds(const void* p) const { return offset(p) < bytes; }
  [[nodiscard]] std::size_t offset(const void* p) const {
    return reinterpret_cast<std::uintptr_t>(p) - reinterpret_cast<std::uintptr_t>(memory);
  }
  [[nodiscard]] Cells at(const void* p) const { return cells.from(offset(p) >> kCellShift); }
};

[[nodiscard]] constexpr std::size_t cell_count(std::size_t bytes) { return (bytes + kCellBytes - 1) / kCellBytes; }

void make_shadow(Shadow&);     ///< reserves its cells; memory comes when they are touched
void release_shadow(Shadow&);  ///< gives them back
/// Sets all cells of a range to `state`, without a look at their stamps, of which none is of a block that still runs.
void set_state(const Shadow&, const void*, std::size_t bytes, std::uint8_t state);
void give_back(const void*, std::size_t bytes);  ///< memory to the system, whole pages of it: zero when next touched
/// Cells of a range whose memory goes back to the system, whole pages of it.
void drop_stamps(const Shadow&, const void*, std::size_t bytes);

}  // namespace vox::simt
