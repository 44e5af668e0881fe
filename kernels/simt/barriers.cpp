#include <algorithm>

#include "kernels/base/check.h"
#include "kernels/simt/runner.h"

/// __syncthreads and its kin: a barrier is a line of the source, and all threads of the block come to the same one.
namespace vox::simt {
namespace {

void open_barrier(Runner& r) {
  Barrier& b = r.barrier;
  const auto arrived = static_cast<unsigned>(b.who.size());
  for (const std::uint16_t i : b.who) {
    Lane& lane = r.lanes[i];
    lane.result = lane.vote == Vote::count ? b.votes
                  : lane.vote == Vote::all ? static_cast<unsigned>(b.votes == arrived)
                                           : static_cast<unsigned>(b.votes != 0);
  }
  if constexpr (kChecked) { clocks_at_barrier(r); }
  if (r.options.order == Order::reverse) { std::reverse(b.who.begin(), b.who.end()); }
  for (const std::uint16_t i : b.who) { make_ready(r, r.lanes[i]); }
  b.who.clear();
  b.arrived = b.votes = 0;
  b.at = {};
}

}  // namespace

int sync_threads_vote(Vote vote, bool predicate, Site at) {
  Runner& r = runner();
  Lane& me = this_lane();
  Barrier& b = r.barrier;
  if (b.arrived == 0) {
    b.at = at;
  } else if (b.at.line != at.line || b.at.file != at.file) {
    stop_block(Fault::divergent_barrier, at, [&] {
      return fmt::format("{} is at this barrier, but {} thread(s) of the block wait at {}, first {}", place_of(me),
                         b.arrived, text_of(b.at), place_of(r.lanes[b.who.front()]));
    });
  }
  ++b.arrived;
  b.votes += static_cast<unsigned>(predicate);
  b.who.push_back(static_cast<std::uint16_t>(me.linear));
  me.vote = vote;
  me.state = State::at_barrier;
  me.at = at;
  if (b.arrived == r.live) {
    if (r.live != r.lanes.size() && !r.options.exit_at_barrier) {
      report(Fault::exit_at_barrier, at,
             fmt::format("{}: barrier passed although {} thread(s) of the block have exited", place_of(me),
                         r.lanes.size() - r.live));
    }
    open_barrier(r);
  }
  wait_to_be_ready(r, me);
  return static_cast<int>(me.result);
}

void sync_threads(Site at) { sync_threads_vote(Vote::count, false, at); }

void thread_left_barrier(Runner& r, const Lane& me) {
  const Barrier& b = r.barrier;
  if (b.arrived == 0 || b.arrived != r.live) { return; }
  if (!r.options.exit_at_barrier) {
    report(Fault::exit_at_barrier, b.at,
           fmt::format("{} exits while {} thread(s) of its block wait at this barrier", place_of(me), b.arrived));
  }
  open_barrier(r);
}

}  // namespace vox::simt
