#include <sys/mman.h>

#include <algorithm>
#include <map>

#include "kernels/base/check.h"
#include "kernels/simt/runner.h"

namespace vox::simt {
namespace {

/// A thread that waits for nothing: one that has not started, or the one that has been ready for longest.
Lane* next_lane(Runner& r) {
  const std::size_t fresh = r.lanes.size() - r.started;
  const std::size_t woken = r.ready.size() - r.ready_head;
  if (fresh + woken == 0) { return nullptr; }
  std::size_t pick = 0;  // counted over the fresh ones and then the woken ones
  if (r.options.order == Order::random) { pick = r.random() % (fresh + woken); }
  if (pick < fresh) { return &r.lanes[r.start_order[r.started++]]; }
  std::swap(r.ready[r.ready_head], r.ready[r.ready_head + pick - fresh]);
  Lane* lane = &r.lanes[r.ready[r.ready_head++]];
  if (r.ready_head == r.ready.size()) {
    r.ready.clear();
    r.ready_head = 0;
  }
  return lane;
}

std::string what_it_waits_for(const Lane& lane) {
  switch (lane.state) {
    case State::at_barrier:
      return fmt::format("__syncthreads ({})", text_of(lane.at));
    case State::in_warp_call:
      return fmt::format("{} mask {:08x} ({})", lane.call.name, lane.call.mask, text_of(lane.call.at));
    case State::at_mbarrier:
      return fmt::format("mbarrier wait parity {} ({})", lane.parity, text_of(lane.at));
    default:
      return "nothing";
  }
}

void report_stall(const Runner& r) {
  std::map<std::string, std::pair<int, std::string>> groups;
  int gone = 0;
  bool at_barrier = false;
  bool in_warp_call = false;
  Site first;
  for (const Lane& lane : r.lanes) {
    if (lane.state == State::done) {
      ++gone;
      continue;
    }
    at_barrier |= lane.state == State::at_barrier;
    in_warp_call |= lane.state == State::in_warp_call;
    if (first.file == nullptr) { first = lane.state == State::in_warp_call ? lane.call.at : lane.at; }
    auto& [count, who] = groups[what_it_waits_for(lane)];
    if (count++ == 0) { who = place_of(lane); }
  }
  std::string text;
  for (const auto& [what, group] : groups) {
    text += fmt::format("{} thread(s), first {}, wait at {}; ", group.first, group.second, what);
  }
  report(at_barrier && in_warp_call ? Fault::warp_divergence : Fault::deadlock, first,
         fmt::format("{}{} thread(s) have exited", text, gone));
}

/// Goes on with `next`, on the fiber it was on, or on a free one when it has not started.
Fiber& fiber_of(Runner& r, Lane& next) {
  if (next.fiber == nullptr) { next.fiber = &r.fibers.take(); }
  next.state = State::ready;
  this_thread = &next;
  return *next.fiber;
}

/// The thread has returned from the kernel. Who runs next; null when the block is over.
Lane* leave_kernel(Runner& r, Lane& me) {
  thread_left_copies(me);
  me.state = State::done;
  --r.live;
  thread_left_warp(r, me);
  thread_left_barrier(r, me);
  Lane* next = next_lane(r);
  while (next == nullptr && r.live > 0) {
    if (!complete_bulk_copy(r)) {
      report_stall(r);
      abandon_block(r);
    }
    next = next_lane(r);
  }
  return next;
}

/// What every fiber runs. Threads that never wait follow each other here, without a switch.
void fiber_loop() {
  fiber_entered();
  for (;;) {
    Runner& r = runner();
    r.body.call(r.body.closure);
    Lane& me = this_lane();
    Fiber& mine = *me.fiber;
    Lane* next = leave_kernel(r, me);
    me.fiber = nullptr;
    if (next != nullptr && next->fiber == nullptr) {
      next->fiber = &mine;
      next->state = State::ready;
      this_thread = next;
      continue;
    }
    r.fibers.give_back(mine);
    if (next == nullptr) {
      this_thread = nullptr;
      switch_fiber(mine, r.fibers.main());
    } else {
      switch_fiber(mine, fiber_of(r, *next));
    }
  }
}

void shape_block(Runner& r, const dim3& block) {
  const auto n = static_cast<unsigned>(block.count());
  if (r.lanes.size() == n && this_block.threads.x == block.x && this_block.threads.y == block.y) { return; }
  r.lanes.clear();
  r.lanes.resize(n);
  r.start_order.resize(n);
  for (unsigned i = 0; i < n; ++i) {
    Lane& lane = r.lanes[i];
    lane.index = {i % block.x, i / block.x % block.y, i / (block.x * block.y)};
    lane.linear = i;
    lane.lane = i % kWarp;
    lane.warp = i / kWarp;
    r.start_order[i] = static_cast<std::uint16_t>(r.options.order == Order::reverse ? n - 1 - i : i);
  }
  r.warps.resize((n + kWarp - 1) / kWarp);
  for (unsigned w = 0; w < r.warps.size(); ++w) {
    const unsigned threads = std::min(kWarp, n - w * kWarp);
    r.warps[w].exist = threads == kWarp ? ~0U : (1U << threads) - 1;
  }
  this_block.threads = block;
}

}  // namespace

constinit thread_local ThreadContext* this_thread = nullptr;
constinit thread_local BlockContext this_block{};
constinit thread_local Runner* this_runner = nullptr;

Runner::Runner() : fibers(&fiber_loop) {
  void* p = mmap(nullptr, kSharedArena, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (p == MAP_FAILED) { fail<MemoryError>(__FILE__, __LINE__, "simt: no memory for the shared memory of a block"); }
  shared.arena = static_cast<std::byte*>(p);
  if constexpr (kChecked) {
    shared.shadow = {.memory = shared.arena, .bytes = kSharedArena, .cells = {}};
    make_shadow(shared.shadow);
  }
}

Runner::~Runner() {
  release_shadow(shared.shadow);
  munmap(shared.arena, kSharedArena);
}

Runner& runner() {
  thread_local Runner r;
  return r;
}

Lane& this_lane() { return static_cast<Lane&>(*this_thread); }

void make_ready(Runner& r, Lane& lane) {
  lane.state = State::ready;
  r.ready.push_back(static_cast<std::uint16_t>(lane.linear));
}

void wait_to_be_ready(Runner& r, Lane& me) {
  Lane* next = next_lane(r);
  while (next == nullptr) {
    if (!complete_bulk_copy(r)) {
      report_stall(r);
      abandon_block(r);
    }
    next = next_lane(r);
  }
  if (next != &me) { switch_fiber(*me.fiber, fiber_of(r, *next)); }
}

void abandon_block(Runner& r) {
  Lane& me = this_lane();
  r.aborted = true;
  this_thread = nullptr;
  switch_fiber(*me.fiber, r.fibers.main(), Leave::abandoned);
  __builtin_unreachable();
}

void run_block(Runner& r, std::uint64_t number, const Launch& l) {
  this_runner = &r;
  shape_block(r, l.block);
  this_block.grid = l.grid;
  this_block.index = {static_cast<unsigned>(number % l.grid.x), static_cast<unsigned>(number / l.grid.x % l.grid.y),
                      static_cast<unsigned>(number / l.grid.x / l.grid.y)};
  for (Lane& lane : r.lanes) { lane.state = State::fresh; }
  for (Warp& w : r.warps) { w.done = w.waiting = 0; }
  r.live = static_cast<unsigned>(r.lanes.size());
  r.started = 0;
  r.mbarriers.clear();
  if constexpr (kChecked) { shadow_new_block(r); }
  start_shared(r, l.shared_bytes);
  if (r.options.order == Order::random) { std::shuffle(r.start_order.begin(), r.start_order.end(), r.random); }
  switch_fiber(r.fibers.main(), fiber_of(r, *next_lane(r)));
  if (r.aborted) {  // nothing of this block is fit to be used again
    r.fibers.restart();
    r.lanes.clear();
    r.ready.clear();
    r.ready_head = 0;
    r.barrier = {};
    r.bulk_copies.clear();
  }
}

}  // namespace vox::simt
