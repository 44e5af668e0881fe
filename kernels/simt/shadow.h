#pragma once

#include <cstddef>
#include <cstdint>
#include <unordered_map>
#include <utility>
#include <vector>

#include "kernels/simt/calls.h"
#include "kernels/simt/cells.h"

#ifndef VOX_SIMT_CHECK
#define VOX_SIMT_CHECK 0
#endif

/// The checking build's questions to memory: is it part of an allocation, has it been written, and by whom, so that two
/// threads that meet there without an order between them are seen.
namespace vox::simt {

struct Lane;
struct Runner;

inline constexpr bool kChecked = VOX_SIMT_CHECK != 0;

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
  std::uint32_t epoch = 0;            ///< counted over all launches
  std::uint32_t block = 0;            ///< the block's first epoch: its number, wherever one is asked for
  std::uint32_t launch = 0;           ///< an epoch before those of the launch's first block
  std::vector<std::uint32_t> blocks;  ///< of this launch, as far as they have begun
  std::unordered_map<const void*, Published> published;
  std::vector<std::pair<const Published*, std::size_t>> acquired;  ///< the first so many of them come before us
};

enum class Access : std::uint8_t { read, write, atomic };

/// The checks of one access. Does nothing for the thread's own stack and for constants.
void check_access(Runner&, Lane&, const void*, std::size_t bytes, Access, const Site&);
void check_in_full(Runner&, Lane&, const void*, std::size_t bytes, Access, const Site&);  ///< without quick_check.h
/// The same for an access that the executor makes on behalf of a thread; in every build it must be aligned.
void note_access(Runner&, Lane&, const void*, std::size_t bytes, Access, const Site&);

void shadow_new_block(Runner&);
void shadow_allocate_shared(Runner&, const void*, std::size_t bytes);
void shadow_in_flight(Runner&, const void*, std::size_t bytes);
void shadow_landed(Runner&, const void*, std::size_t bytes, Stamp issued);
[[nodiscard]] Stamp stamp_of(const Runner&, const Lane&);  ///< of what the thread does now

[[nodiscard]] std::uint32_t next_epoch();
void join_clocks(std::vector<std::uint32_t>& into, const std::vector<std::uint32_t>& from);
void clocks_at_barrier(Runner&);
void clocks_at_warp_barrier(Runner&, unsigned first_lane, unsigned mask);
void clocks_at_arrival(const Runner&, Lane&, std::vector<std::uint32_t>& seen);

}  // namespace vox::simt
