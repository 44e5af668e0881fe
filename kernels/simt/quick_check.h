#pragma once

#include <cstring>
#include <type_traits>

#include "kernels/simt/arena.h"
#include "kernels/simt/runner.h"

/// The accesses of which nothing is to be said, which are nearly all: looked at where they are made, without a call.
namespace vox::simt {

enum class Space : std::uint8_t { shared, global };

/// What may have been stamped and still come before an access of `me` without a look at clocks: by an earlier launch,
/// by this block before its last barrier, by the thread itself.
template <Space SPACE> struct Before {
  Stamp launch, block, epoch;
  unsigned thread;

  Before(const BlockHistory& h, const Lane& me)
      : launch(begin_of(h.launch)), block(begin_of(h.block)), epoch(begin_of(h.epoch)), thread(me.linear) {}

  [[nodiscard]] bool holds(Stamp s) const {
    const bool own_or_passed = s < epoch || thread_of(s) == thread;
    if constexpr (SPACE == Space::shared) { return own_or_passed; }  // of earlier blocks none can be met there
    return s < launch || (s >= block && own_or_passed);
  }
};

/// `state`, for every one of so many cells.
template <class States> constexpr States every(unsigned state) {
  return static_cast<States>(static_cast<States>(~States{0}) / 0xFFU * state);
}

template <Access ACCESS, std::size_t BYTES, Space SPACE>
bool quick_check_in(const BlockHistory& h, const Lane& me, const Cells& c, std::uint8_t touched) {
  static_assert(ACCESS != Access::atomic);
  constexpr std::size_t kCells = cell_count(BYTES);
  using States = std::conditional_t<
      kCells == 1, std::uint8_t,
      std::conditional_t<kCells == 2, std::uint16_t, std::conditional_t<kCells == 4, std::uint32_t, std::uint64_t>>>;
  static_assert(sizeof(States) == kCells);
  constexpr bool kWrites = ACCESS == Access::write;
  constexpr unsigned kWanted = kWrites ? kAllocated : kAllocated | kWritten;
  constexpr unsigned kUnwanted = kInFlight | kUpdated | (kWrites ? kReadByBlocks : 0);
  States states;
  std::memcpy(&states, c.state, kCells);
  if ((states & every<States>(kWanted | kUnwanted)) != every<States>(kWanted)) { return false; }
  const Before<SPACE> before(h, me);
  bool fine = true;
  for (std::size_t i = 0; i < kCells; ++i) { fine &= before.holds(c.write[i]); }
  if constexpr (kWrites) {
    for (std::size_t i = 0; i < kCells; ++i) { fine &= before.holds(c.read[i]); }
    for (std::size_t i = 0; i < kCells; ++i) { fine &= before.holds(c.second_read[i]); }
  }
  if (!fine) { return false; }

  const Stamp now = stamp(h.epoch, me.clocks.now, me.linear, touched);
  if constexpr (kWrites) {
    for (std::size_t i = 0; i < kCells; ++i) { c.write[i] = now; }
    states |= every<States>(kWritten);
    std::memcpy(c.state, &states, kCells);
    return true;
  }
  for (std::size_t i = 0; i < kCells; ++i) {
    const Stamp read = c.read[i];
    if (read >= before.block) {
      (thread_of(read) == me.linear ? c.read : c.second_read)[i] = now;
      continue;
    }
    c.read[i] = c.second_read[i] = now;
    if constexpr (SPACE == Space::global) {
      const bool others = read >= before.launch;
      c.state[i] = static_cast<std::uint8_t>((c.state[i] & ~kReadByBlocks) | (others ? kReadByBlocks : 0));
    }
  }
  return true;
}

inline bool on_own_stack(const Lane& me, const void* p) {
  return reinterpret_cast<std::uintptr_t>(p) - reinterpret_cast<std::uintptr_t>(me.fiber->stack) < me.fiber->bytes;
}

/// True: the access was in order, and is remembered. False: nothing was done; check_in_full() has to look.
template <Access ACCESS, std::size_t BYTES> bool quick_check(const Runner& r, const Lane& me, const void* p) {
  const auto address = reinterpret_cast<std::uintptr_t>(p);
  std::uint8_t touched = kWholeCell;
  if constexpr (BYTES < kCellBytes) {
    touched = static_cast<std::uint8_t>(1U << address % kCellBytes);
  } else if (address % kCellBytes != 0) {
    return false;
  }
  if (r.shared.shadow.holds(p)) {
    return quick_check_in<ACCESS, BYTES, Space::shared>(r.history, me, r.shared.shadow.at(p), touched);
  }
  if (on_own_stack(me, p)) { return true; }
  const Shadow& device = Arena::shadow();
  return device.holds(p) && quick_check_in<ACCESS, BYTES, Space::global>(r.history, me, device.at(p), touched);
}

}  // namespace vox::simt
