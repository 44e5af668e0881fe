#include "kernels/simt/shadow.h"

#include <algorithm>

#include "kernels/base/check.h"
#include "kernels/simt/arena.h"
#include "kernels/simt/runner.h"

extern "C" const char __executable_start;
extern "C" const char __data_start;  // NOLINT: the linker's names; code and constants lie between these two
extern "C" __attribute__((weak)) const char __start_vox_simt_constants;
extern "C" __attribute__((weak)) const char __stop_vox_simt_constants;

namespace vox::simt {
namespace {

const char* verb(Access a) {
  return a == Access::read ? "reads" : a == Access::write ? "writes" : "atomically updates";
}

bool between(const void* p, const void* begin, const void* end) { return p >= begin && p < end; }

/// One access, against what is known of the cells it meets.
class Check {
 public:
  Check(Runner& r, Lane& me, const void* p, std::size_t bytes, Access access, const Site& at, bool shared)
      : r_(r),
        me_(me),
        bytes_(bytes),
        access_(access),
        at_(at),
        shared_(shared),
        address_(static_cast<const std::byte*>(p)) {}

  void run(Cell* c) {
    const auto begin = reinterpret_cast<std::uintptr_t>(address_);
    const std::uintptr_t first = begin / kCellBytes;
    const std::uintptr_t last = (begin + bytes_ - 1) / kCellBytes;
    for (std::uintptr_t i = first; i <= last; ++i, ++c) {
      const std::uintptr_t from = std::max(begin, i * kCellBytes) - i * kCellBytes;
      const std::uintptr_t to = std::min(begin + bytes_ - i * kCellBytes, std::uintptr_t{kCellBytes});
      touched_ = static_cast<std::uint8_t>((1U << to) - (1U << from));
      if (!usable(*c)) { return; }
      against_others(*c);
      remember(*c);
      address_ = reinterpret_cast<const std::byte*>((i + 1) * kCellBytes);
    }
  }

 private:
  std::string what() const {
    const std::string where = shared_ ? describe_shared(r_.shared, address_) : Arena::get().describe(address_);
    return fmt::format("{} {} {}", place_of(me_), verb(access_), where);
  }

  bool usable(Cell& c) {
    if (!c.allocated) {
      report(shared_ ? Fault::shared_bounds : Fault::global_bounds, at_, fmt::format("{}, {} bytes", what(), bytes_));
      return false;
    }
    if (c.in_flight) {
      report(Fault::async_hazard, at_, what() + " while an asynchronous copy into it is in flight");
      return false;
    }
    if (access_ != Access::write && !c.written) {
      report(shared_ ? Fault::uninitialised_shared : Fault::uninitialised_global, at_,
             what() + " that was never written");
      c.written = true;
    }
    return true;
  }

  /// Does what is stamped come before this access?
  bool ordered(const Stamp& s) const {
    if (s.block == r_.history.block) {
      return s.thread == me_.linear || r_.history.barrier_clocks[s.thread] >= s.clock ||
             (!me_.clocks.seen.empty() && me_.clocks.seen[s.thread] >= s.clock);
    }
    if (shared_ || s.block < r_.history.launch) { return true; }  // an earlier block's memory; an earlier launch
    for (const auto& [published, rank] : r_.history.acquired) {
      const auto found = published->rank.find(s.block);
      if (found != published->rank.end() && found->second < rank) { return true; }
    }
    return false;
  }

  bool meets(const Stamp& s, const char* did) {
    if (s.block == 0 || (s.bytes & touched_) == 0 || ordered(s)) { return false; }
    const std::string who = s.block == r_.history.block
                                ? fmt::format("thread {} of the block with no barrier between", s.thread)
                                : std::string("another block of this launch");
    report(shared_ ? Fault::shared_race : Fault::global_race, at_, fmt::format("{}, {} by {}", what(), did, who));
    return true;
  }

  void against_others(const Cell& c) {
    meets(c.write, "written");
    if (access_ != Access::atomic) { meets(c.atomic, "atomically updated"); }
    if (access_ == Access::read || meets(c.read, "read") || meets(c.second_read, "read")) { return; }
    // Only one block's readers are kept: where there were others, one of them stands for all.
    if (c.read_by_blocks && c.read.block >= r_.history.launch) { meets({r_.history.launch, 0, 0}, "read"); }
  }

  void remember(Cell& c) const {
    const Stamp now{r_.history.block, me_.clocks.now, static_cast<std::uint16_t>(me_.linear), touched_};
    if (access_ == Access::write) {
      c.write = now;
    } else if (access_ == Access::atomic) {
      c.atomic = now;
    } else if (c.read.block != now.block) {
      c.read_by_blocks = !shared_ && c.read.block >= r_.history.launch;
      c.read = c.second_read = now;
    } else {
      (c.read.thread == now.thread ? c.read : c.second_read) = now;
    }
    c.written = true;
  }

  Runner& r_;
  Lane& me_;
  std::size_t bytes_;
  Access access_;
  Site at_;
  bool shared_;
  const std::byte* address_;
  std::uint8_t touched_ = kWholeCell;  ///< of the cell at hand
};

Cell* shared_cells(Runner& r, const void* p) {
  return &r.shared.cells[static_cast<std::size_t>(static_cast<const std::byte*>(p) - r.shared.arena) >> kCellShift];
}

bool is_own(const Runner& r, const Lane& me, const void* p, Access access) {
  if (between(p, me.fiber->stack, me.fiber->stack + me.fiber->bytes)) { return true; }
  if (access != Access::read) { return false; }
  const auto* closure = static_cast<const std::byte*>(r.body.closure);
  return between(p, closure, closure + r.body.closure_bytes) ||
         between(p, &me, static_cast<const ThreadContext*>(&me) + 1) || between(p, &this_block, &this_block + 1) ||
         between(p, &this_thread, &this_thread + 1) || between(p, &__executable_start, &__data_start) ||
         between(p, &__start_vox_simt_constants, &__stop_vox_simt_constants);
}

}  // namespace

void check_access(Runner& r, Lane& me, const void* p, std::size_t bytes, Access access, const Site& at) {
  if (is_own(r, me, p, access)) { return; }
  const bool shared = r.shared.holds(p);
  if (shared || Arena::get().holds(p)) {
    Check(r, me, p, bytes, access, at, shared).run(shared ? shared_cells(r, p) : Arena::get().cells(p));
    return;
  }
  stop_block(Fault::wild_address, at, [&] {
    return r.fibers.holds(p)
               ? fmt::format("{} {} another thread's local memory", place_of(me), verb(access))
               : fmt::format("{} {} address {}, which is neither device memory, shared memory nor its own stack",
                             place_of(me), verb(access), p);
  });
}

void note_access(Runner& r, Lane& me, const void* p, std::size_t bytes, Access access, const Site& at) {
  if (reinterpret_cast<std::uintptr_t>(p) % bytes != 0) {
    report(Fault::misaligned, at, fmt::format("{} makes a misaligned access of {} bytes", place_of(me), bytes));
  }
  if constexpr (!kChecked) { return; }
  check_access(r, me, p, bytes, access, at);
  // The idiom of the last block: write, fence, count up by an atomic; who reads the count has all that came before.
  const bool publishes = me.clocks.fenced || r.history.published.contains(p);
  if (access != Access::atomic || r.shared.holds(p) || !publishes) { return; }
  Published& all = r.history.published[p];
  r.history.acquired.emplace_back(&all, all.rank.size());
  if (me.clocks.fenced) { all.rank.insert({r.history.block, all.rank.size()}); }
}

void shadow_new_block(Runner& r) {
  for (const SharedArray& a : r.shared.arrays) {
    std::fill_n(shared_cells(r, a.data), (a.bytes + kCellBytes - 1) / kCellBytes, Cell{});
  }
  r.history.barrier_clocks.assign(r.lanes.size(), 0);
  r.history.acquired.clear();
  for (Lane& lane : r.lanes) {
    lane.clocks.now = 1;
    lane.clocks.seen.clear();
    lane.clocks.fenced = false;
  }
}

void shadow_allocate_shared(Runner& r, const void* p, std::size_t bytes) {
  Cell fresh;
  fresh.allocated = true;
  std::fill_n(shared_cells(r, p), (bytes + kCellBytes - 1) / kCellBytes, fresh);
}

void shadow_in_flight(Runner& r, const void* p, std::size_t bytes) {
  Cell* c = shared_cells(r, p);
  for (std::size_t i = 0; i < bytes / kCellBytes; ++i) { c[i].in_flight = true; }
}

void shadow_landed(Runner& r, const void* p, std::size_t bytes, const Lane& issuer, std::uint32_t clock) {
  Cell* c = shared_cells(r, p);
  for (std::size_t i = 0; i < bytes / kCellBytes; ++i) {
    c[i].write = {r.history.block, clock, static_cast<std::uint16_t>(issuer.linear)};
    c[i].in_flight = false;
    c[i].written = true;
  }
}

}  // namespace vox::simt
