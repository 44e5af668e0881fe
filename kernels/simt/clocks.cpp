#include <algorithm>
#include <atomic>
#include <bit>

#include "kernels/base/check.h"
#include "kernels/simt/runner.h"

/// The order between threads of a block, as vector clocks: what a thread has seen of the others' time.
namespace vox::simt {
namespace {

void tick(Lane& lane) {
  if (++lane.clocks.now < kMostClocks) { return; }
  stop_block(Fault::limit, lane.at, [&] {
    return fmt::format("{} has met others {} times, more than the checks can tell apart", place_of(lane), kMostClocks);
  });
}

}  // namespace

std::uint32_t next_epoch() {
  static std::atomic<std::uint32_t> last{0};  // never twice the same, so that memory remembers who touched it
  return ++last;
}

void join_clocks(std::vector<std::uint32_t>& into, const std::vector<std::uint32_t>& from) {
  if (into.size() < from.size()) { into.resize(from.size(), 0); }
  for (std::size_t i = 0; i < from.size(); ++i) { into[i] = std::max(into[i], from[i]); }
}

void clocks_at_barrier(Runner& r) {
  r.history.epoch = next_epoch();
  for (Lane& lane : r.lanes) { tick(lane); }
}

void clocks_at_warp_barrier(Runner& r, unsigned first_lane, unsigned mask) {
  std::vector<std::uint32_t> all(r.lanes.size(), 0);
  for (unsigned m = mask; m != 0; m &= m - 1) {
    const Lane& lane = r.lanes[first_lane + static_cast<unsigned>(std::countr_zero(m))];
    join_clocks(all, lane.clocks.seen);
    all[lane.linear] = std::max(all[lane.linear], lane.clocks.now);
  }
  for (unsigned m = mask; m != 0; m &= m - 1) {
    Lane& lane = r.lanes[first_lane + static_cast<unsigned>(std::countr_zero(m))];
    lane.clocks.seen = all;
    tick(lane);
  }
}

void clocks_at_arrival(const Runner& r, Lane& me, std::vector<std::uint32_t>& seen) {
  seen.resize(r.lanes.size(), 0);
  join_clocks(seen, me.clocks.seen);
  seen[me.linear] = std::max(seen[me.linear], me.clocks.now);
  tick(me);
}

}  // namespace vox::simt
