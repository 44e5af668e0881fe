#pragma once

#include <cstddef>
#include <cstdint>
#include <unordered_map>
#include <utility>
#include <vector>

#include "kernels/simt/calls.h"

#ifndef VOX_SIMT_CHECK
#define VOX_SIMT_CHECK 0
#endif

/// What the checking build knows of every two bytes of shared and device memory: are they part of an allocation, have
/// they been written, and by whom, so that two threads that meet there without an order between them are seen.
namespace vox::simt {

struct Lane;
struct Runner;

inline constexpr bool kChecked = VOX_SIMT_CHECK != 0;

inline constexpr unsigned kCellShift = 1;  ///< two bytes: what the smallest type that is computed in, bf16, takes
inline constexpr std::size_t kCellBytes = std::size_t{1} << kCellShift;
inline constexpr std::uint8_t kWholeCell = (1U << kCellBytes) - 1;

/// Which thread of which block, at what time on the thread's clock. Block 0: nobody.
struct Stamp {
  std::uint32_t block = 0;
  std::uint32_t clock = 0;
  std::uint16_t thread = 0;
  std::uint8_t bytes = kWholeCell;  ///< that it touched, a bit each: labels, of one byte, lie two to a cell
};

struct Cell {
  Stamp write;  ///< of two threads with a byte each the later: more may be missed, none is invented
  Stamp atomic;
  Stamp read;         ///< two readers of a block: likewise
  Stamp second_read;  ///< of the same block as `read`
  bool allocated = false;
  bool written = false;
  bool in_flight = false;       ///< an asynchronous copy goes there
  bool read_by_blocks = false;  ///< by more than one of this launch
};

/// A thread's own clock and the latest times of the others that are ordered before it.
struct Clocks {
  std::uint32_t now = 1;
  std::vector<std::uint32_t> seen;  ///< empty: nobody's
  bool fenced = false;              ///< its writes may be published by an atomic
};

/// Blocks that published their writes through an address (fence, then atomic), in that order.
struct Published {
  std::unordered_map<std::uint32_t, std::size_t> rank;
};

struct BlockHistory {
  std::uint32_t block = 0;                    ///< counted over all launches
  std::uint32_t launch = 0;                   ///< number of the launch's first block
  std::vector<std::uint32_t> barrier_clocks;  ///< of each thread at the block's last barrier
  std::unordered_map<const void*, Published> published;
  std::vector<std::pair<const Published*, std::size_t>> acquired;  ///< the first so many of them come before us
};

enum class Access : std::uint8_t { read, write, atomic };

/// The checks of one access. Does nothing for the thread's own stack and for constants.
void check_access(Runner&, Lane&, const void*, std::size_t bytes, Access, const Site&);
/// The same for an access that the executor makes on behalf of a thread; in every build it must be aligned.
void note_access(Runner&, Lane&, const void*, std::size_t bytes, Access, const Site&);

void shadow_new_block(Runner&);
void shadow_allocate_shared(Runner&, const void*, std::size_t bytes);
void shadow_in_flight(Runner&, const void*, std::size_t bytes);
void shadow_landed(Runner&, const void*, std::size_t bytes, const Lane& issuer, std::uint32_t clock);

void join_clocks(std::vector<std::uint32_t>& into, const std::vector<std::uint32_t>& from);
void clocks_at_barrier(Runner&);
void clocks_at_warp_barrier(Runner&, unsigned first_lane, unsigned mask);
void clocks_at_arrival(const Runner&, Lane&, std::vector<std::uint32_t>& seen);

}  // namespace vox::simt
