#include <algorithm>
#include <cstring>

#include "kernels/base/check.h"
#include "kernels/simt/runner.h"

/// cp.async. What the hardware leaves open is used against the kernel: until it waits, the destination holds NaN.
namespace vox::simt {
namespace {

/// ASan looks at both ranges when they are touched, here and not in the wait.
void touch(void* to, const void* from, std::size_t bytes, std::size_t source_bytes) {
  std::byte source[16];
  std::memcpy(source, from, source_bytes);
  asm volatile("" : : "r"(source) : "memory");
  std::memset(to, 0xFF, bytes);
}

}  // namespace

void copy_async(void* to, const void* from, int bytes, int source_bytes, Site at) {
  Runner& r = runner();
  Lane& me = this_lane();
  if (!r.shared.holds(to)) {
    stop_block(Fault::wild_address, at,
               [&] { return fmt::format("{}: the destination of cp.async is not shared memory", place_of(me)); });
  }
  if (source_bytes < 0 || source_bytes > bytes) {
    stop_block(Fault::limit, at,
               [&] { return fmt::format("{}: cp.async reads {} of {} bytes", place_of(me), source_bytes, bytes); });
  }
  const auto size = static_cast<std::size_t>(bytes);
  const auto source_size = static_cast<std::size_t>(source_bytes);
  note_access(r, me, to, size, Access::write, at);
  if (source_size != 0) {
    if (reinterpret_cast<std::uintptr_t>(from) % size != 0) {
      report(Fault::misaligned, at,
             fmt::format("{}: the source of cp.async is not {}-byte aligned", place_of(me), bytes));
    }
    if constexpr (kChecked) { check_access(r, me, from, source_size, Access::read, at); }
  }
  touch(to, from, size, source_size);
  if constexpr (kChecked) { shadow_in_flight(r, to, size); }
  me.copies.copies.push_back({static_cast<std::byte*>(to), static_cast<const std::byte*>(from), size, source_size, at});
  ++me.copies.open;
}

void commit_copies() {
  CopyQueue& q = this_lane().copies;
  q.groups.push_back(q.open);
  q.open = 0;
}

void wait_copies(int groups_in_flight) {
  Runner& r = runner();
  Lane& me = this_lane();
  CopyQueue& q = me.copies;
  const std::size_t done_groups =
      q.groups.size() - std::min(q.groups.size(), static_cast<std::size_t>(groups_in_flight));
  std::size_t done = 0;
  for (std::size_t g = 0; g < done_groups; ++g) { done += q.groups[g]; }
  for (std::size_t i = 0; i < done; ++i) {
    const AsyncCopy& c = q.copies[i];
    std::memcpy(c.to, c.from, c.source_bytes);
    std::memset(c.to + c.source_bytes, 0, c.bytes - c.source_bytes);
    if constexpr (kChecked) { shadow_landed(r, c.to, c.bytes, stamp_of(r, me)); }
  }
  q.copies.erase(q.copies.begin(), q.copies.begin() + static_cast<std::ptrdiff_t>(done));
  q.groups.erase(q.groups.begin(), q.groups.begin() + static_cast<std::ptrdiff_t>(done_groups));
}

void thread_left_copies(Lane& me) {
  CopyQueue& q = me.copies;
  if (!q.copies.empty()) {
    report(Fault::pending_async, q.copies.front().at,
           fmt::format("{} exits with {} cp.async never waited for", place_of(me), q.copies.size()));
    q.copies.clear();
  }
  q.groups.clear();
  q.open = 0;
}

}  // namespace vox::simt
