#include "kernels/simt/shadow.h"

#include <algorithm>
#include <iterator>
#include <type_traits>

#include "kernels/base/check.h"
#include "kernels/simt/quick_check.h"

// NOLINTBEGIN: the linker's names
extern "C" const char __executable_start;
extern "C" const char __data_start;  // code and constants lie between these two
extern "C" __attribute__((weak)) const char __start_vox_simt_constants;
extern "C" __attribute__((weak)) const char __stop_vox_simt_constants;
// NOLINTEND

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
        launch_(begin_of(shared ? r.history.block : r.history.launch)),
        address_(static_cast<const std::byte*>(p)) {}

  void run(const Cells& all) {
    const auto begin = reinterpret_cast<std::uintptr_t>(address_);
    const std::uintptr_t first = begin / kCellBytes;
    const std::uintptr_t last = (begin + bytes_ - 1) / kCellBytes;
    for (std::uintptr_t i = first; i <= last; ++i) {
      const std::uintptr_t from = std::max(begin, i * kCellBytes) - i * kCellBytes;
      const std::uintptr_t to = std::min(begin + bytes_ - i * kCellBytes, std::uintptr_t{kCellBytes});
      touched_ = static_cast<std::uint8_t>((1U << to) - (1U << from));
      const Cells c = all.from(i - first);
      if (!usable(*c.state)) { return; }
      forget_launches_before(c);
      against_others(c);
      remember(c);
      address_ = reinterpret_cast<const std::byte*>((i + 1) * kCellBytes);
    }
  }

 private:
  [[nodiscard]] std::string what() const {
    const std::string where = shared_ ? describe_shared(r_.shared, address_) : Arena::get().describe(address_);
    return fmt::format("{} {} {}", place_of(me_), verb(access_), where);
  }

  bool usable(std::uint8_t& state) {
    if ((state & kAllocated) == 0) {
      report(shared_ ? Fault::shared_bounds : Fault::global_bounds, at_, fmt::format("{}, {} bytes", what(), bytes_));
      return false;
    }
    if ((state & kInFlight) != 0) {
      report(Fault::async_hazard, at_, what() + " while an asynchronous copy into it is in flight");
      return false;
    }
    if (access_ != Access::write && (state & kWritten) == 0) {
      report(shared_ ? Fault::uninitialised_shared : Fault::uninitialised_global, at_,
             what() + " that was never written");
      state |= kWritten;
    }
    return true;
  }

  /// So that the next access need not come here.
  void forget_launches_before(const Cells& c) const {
    if (*c.read < launch_) { *c.state &= static_cast<std::uint8_t>(~kReadByBlocks); }
    if (*c.atomic < launch_) { *c.state &= static_cast<std::uint8_t>(~kUpdated); }
  }

  [[nodiscard]] bool by_this_block(Stamp s) const { return s >= begin_of(r_.history.block); }

  /// Does what is stamped come before this access?
  [[nodiscard]] bool ordered(Stamp s) const {
    if (by_this_block(s)) {
      const unsigned thread = thread_of(s);
      return s < begin_of(r_.history.epoch) || thread == me_.linear ||
             (!me_.clocks.seen.empty() && me_.clocks.seen[thread] >= clock_of(s));
    }
    if (s < launch_) { return true; }  // an earlier block's shared memory; an earlier launch
    const auto after = std::ranges::upper_bound(r_.history.blocks, s, {}, begin_of);
    if (after == r_.history.blocks.begin()) { return false; }
    const std::uint32_t block = *std::prev(after);
    for (const auto& [published, rank] : r_.history.acquired) {
      const auto found = published->rank.find(block);
      if (found != published->rank.end() && found->second < rank) { return true; }
    }
    return false;
  }

  bool meets(Stamp s, const char* did) {
    if ((bytes_of(s) & touched_) == 0 || ordered(s)) { return false; }
    const std::string who = by_this_block(s)
                                ? fmt::format("thread {} of the block with no barrier between", thread_of(s))
                                : std::string("another block of this launch");
    report(shared_ ? Fault::shared_race : Fault::global_race, at_, fmt::format("{}, {} by {}", what(), did, who));
    return true;
  }

  void against_others(const Cells& c) {
    meets(*c.write, "written");
    if (access_ != Access::atomic && (*c.state & kUpdated) != 0) { meets(*c.atomic, "atomically updated"); }
    if (access_ == Access::read || meets(*c.read, "read") || meets(*c.second_read, "read")) { return; }
    // Only one block's readers are kept: where there were others, one of them stands for all.
    if ((*c.state & kReadByBlocks) != 0) { meets(stamp(r_.history.launch, 0, 0), "read"); }
  }

  void remember(const Cells& c) const {
    const Stamp now = stamp(r_.history.epoch, me_.clocks.now, me_.linear, touched_);
    *c.state |= kWritten;
    if (access_ == Access::write) {
      *c.write = now;
    } else if (access_ == Access::atomic) {
      *c.atomic = now;
      *c.state |= kUpdated;
    } else if (by_this_block(*c.read)) {
      *(thread_of(*c.read) == me_.linear ? c.read : c.second_read) = now;
    } else {
      if (*c.read >= launch_) { *c.state |= kReadByBlocks; }
      *c.read = *c.second_read = now;
    }
  }

  Runner& r_;
  Lane& me_;
  std::size_t bytes_;
  Access access_;
  Site at_;
  bool shared_;
  Stamp launch_;  ///< what is below was touched by an earlier one or, in shared memory, by another block
  const std::byte* address_;
  std::uint8_t touched_ = kWholeCell;  ///< of the cell at hand
};

bool is_own(const Runner& r, const Lane& me, const void* p, Access access) {
  if (on_own_stack(me, p)) { return true; }
  if (access != Access::read) { return false; }
  const auto* closure = static_cast<const std::byte*>(r.body.closure);
  return between(p, closure, closure + r.body.closure_bytes) ||
         between(p, &me, static_cast<const ThreadContext*>(&me) + 1) || between(p, &this_block, &this_block + 1) ||
         between(p, &this_thread, &this_thread + 1) || between(p, &__executable_start, &__data_start) ||
         between(p, &__start_vox_simt_constants, &__stop_vox_simt_constants);
}

}  // namespace

void check_in_full(Runner& r, Lane& me, const void* p, std::size_t bytes, Access access, const Site& at) {
  if (is_own(r, me, p, access)) { return; }
  const bool shared = r.shared.holds(p);
  if (shared || Arena::shadow().holds(p)) {
    Check(r, me, p, bytes, access, at, shared).run((shared ? r.shared.shadow : Arena::shadow()).at(p));
    return;
  }
  stop_block(Fault::wild_address, at, [&] {
    return r.fibers.holds(p)
               ? fmt::format("{} {} another thread's local memory", place_of(me), verb(access))
               : fmt::format("{} {} address {}, which is neither device memory, shared memory nor its own stack",
                             place_of(me), verb(access), p);
  });
}

void check_access(Runner& r, Lane& me, const void* p, std::size_t bytes, Access access, const Site& at) {
  const auto quick = [&]<std::size_t BYTES>(std::integral_constant<std::size_t, BYTES>) {
    return access == Access::read    ? quick_check<Access::read, BYTES>(r, me, p)
           : access == Access::write ? quick_check<Access::write, BYTES>(r, me, p)
                                     : false;
  };
  // What the executor copies for a thread, mostly: the kernel's own accesses are looked at in hooks.cpp.
  if (bytes == 16 && quick(std::integral_constant<std::size_t, 16>{})) { return; }
  if (bytes == 4 && quick(std::integral_constant<std::size_t, 4>{})) { return; }
  check_in_full(r, me, p, bytes, access, at);
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
  for (const SharedArray& a : r.shared.arrays) { set_state(r.shared.shadow, a.data, a.bytes, 0); }
  r.history.blocks.push_back(r.history.block);
  r.history.acquired.clear();
  for (Lane& lane : r.lanes) {
    lane.clocks.now = 1;
    lane.clocks.seen.clear();
    lane.clocks.fenced = false;
  }
}

void shadow_allocate_shared(Runner& r, const void* p, std::size_t bytes) {
  set_state(r.shared.shadow, p, bytes, kAllocated);
}

void shadow_in_flight(Runner& r, const void* p, std::size_t bytes) {
  const Cells c = r.shared.shadow.at(p);
  for (std::size_t i = 0; i < bytes / kCellBytes; ++i) { c.state[i] |= kInFlight; }
}

void shadow_landed(Runner& r, const void* p, std::size_t bytes, Stamp issued) {
  const Cells c = r.shared.shadow.at(p);
  for (std::size_t i = 0; i < bytes / kCellBytes; ++i) {
    c.write[i] = issued;
    c.state[i] = static_cast<std::uint8_t>((c.state[i] & ~kInFlight) | kWritten);
  }
}

Stamp stamp_of(const Runner& r, const Lane& lane) { return stamp(r.history.epoch, lane.clocks.now, lane.linear); }

}  // namespace vox::simt
