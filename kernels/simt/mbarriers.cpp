#include <algorithm>
#include <cstring>

#include "kernels/base/check.h"
#include "kernels/simt/runner.h"

/// mbarrier, and the bulk copies that arrive at one.
namespace vox::simt {
namespace {

Mbarrier& find(const std::uint64_t* p, const Site& at) {
  auto& all = runner().mbarriers;
  const auto found = all.find(p);
  if (found == all.end()) {
    stop_block(Fault::wild_address, at,
               [&] { return fmt::format("{} uses an mbarrier that was never initialised", place_of(this_lane())); });
  }
  return found->second;
}

void flip_if_complete(Runner& r, const std::uint64_t* p, Mbarrier& m) {
  if (m.pending != 0 || m.bytes != 0) { return; }
  m.phase ^= 1U;
  m.pending = m.count;
  m.seen = m.next_seen;
  for (Lane& lane : r.lanes) {
    if (lane.state == State::at_mbarrier && lane.mbarrier == p && lane.parity != m.phase) { make_ready(r, lane); }
  }
}

}  // namespace

void barrier_init(std::uint64_t* p, unsigned count, Site at) {
  Runner& r = runner();
  note_access(r, this_lane(), p, sizeof *p, Access::write, at);
  *p = 0;
  Mbarrier& m = r.mbarriers[p];
  m = {};
  m.count = m.pending = count;
}

void barrier_arrive(std::uint64_t* p, unsigned expected_bytes, Site at) {
  Runner& r = runner();
  Lane& me = this_lane();
  Mbarrier& m = find(p, at);
  note_access(r, me, p, sizeof *p, Access::atomic, at);
  if (m.pending == 0) {
    stop_block(Fault::limit, at,
               [&] { return fmt::format("{} arrives at an mbarrier more often than its count", place_of(me)); });
  }
  m.bytes += expected_bytes;
  --m.pending;
  if constexpr (kChecked) { clocks_at_arrival(r, me, m.next_seen); }
  flip_if_complete(r, p, m);
}

void barrier_wait(std::uint64_t* p, unsigned parity, Site at) {
  Runner& r = runner();
  Lane& me = this_lane();
  const Mbarrier& m = find(p, at);
  note_access(r, me, p, sizeof *p, Access::atomic, at);
  me.at = at;
  me.mbarrier = p;
  me.parity = parity & 1U;
  while (m.phase == me.parity) {
    me.state = State::at_mbarrier;
    wait_to_be_ready(r, me);
  }
  if constexpr (kChecked) { join_clocks(me.clocks.seen, m.seen); }
}

void copy_bulk(void* to, const void* from, unsigned bytes, std::uint64_t* barrier, Site at) {
  Runner& r = runner();
  Lane& me = this_lane();
  static_cast<void>(find(barrier, at));
  if (((reinterpret_cast<std::uintptr_t>(to) | reinterpret_cast<std::uintptr_t>(from) | bytes) & 15U) != 0) {
    stop_block(Fault::misaligned, at, [&] {
      return fmt::format("{}: a bulk copy wants addresses and a size that are multiples of 16", place_of(me));
    });
  }
  if (!r.shared.holds(to)) {
    stop_block(Fault::wild_address, at,
               [&] { return fmt::format("{}: the destination of a bulk copy is not shared memory", place_of(me)); });
  }
  if constexpr (kChecked) {
    check_access(r, me, to, bytes, Access::write, at);
    check_access(r, me, from, bytes, Access::read, at);
    shadow_in_flight(r, to, bytes);
  }
  std::memset(to, 0xFF, bytes);
  r.bulk_copies.push_back(
      {static_cast<std::byte*>(to), static_cast<const std::byte*>(from), bytes, barrier, &me, stamp_of(r, me)});
}

bool complete_bulk_copy(Runner& r) {
  if (r.bulk_copies.empty()) { return false; }
  std::size_t pick = 0;
  if (r.options.order == Order::random) { pick = r.random() % r.bulk_copies.size(); }
  if (r.options.order == Order::reverse) { pick = r.bulk_copies.size() - 1; }
  const BulkCopy c = r.bulk_copies[pick];
  r.bulk_copies.erase(r.bulk_copies.begin() + static_cast<std::ptrdiff_t>(pick));
  std::memcpy(c.to, c.from, c.bytes);
  Mbarrier& m = r.mbarriers.at(c.barrier);
  if constexpr (kChecked) {
    shadow_landed(r, c.to, c.bytes, c.issued);
    m.next_seen.resize(r.lanes.size(), 0);
    m.next_seen[c.issuer->linear] = std::max(m.next_seen[c.issuer->linear], clock_of(c.issued));
  }
  m.bytes -= c.bytes;
  flip_if_complete(r, c.barrier, m);
  return true;
}

}  // namespace vox::simt
