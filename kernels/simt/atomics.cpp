#include <algorithm>
#include <atomic>

#include "kernels/simt/runner.h"

namespace vox::simt {
namespace {

template <class T> T apply(Atomic op, T old, T value, T compare) {
  switch (op) {
    case Atomic::add:
      return static_cast<T>(old + value);
    case Atomic::min:
      return std::min(old, value);
    case Atomic::max:
      return std::max(old, value);
    case Atomic::exchange:
      return value;
    case Atomic::compare_exchange:
      return old == compare ? value : old;
  }
  return old;
}

/// Blocks run on several OS threads: the update is atomic among them, too.
template <class T, class Change> T update(void* p, const Change& change) {
  const std::atomic_ref<T> cell(*static_cast<T*>(p));
  T old = cell.load(std::memory_order_relaxed);
  while (!cell.compare_exchange_weak(old, change(old), std::memory_order_relaxed)) {}
  return old;
}

}  // namespace

std::uint32_t atomic32(Atomic op, void* p, std::uint32_t value, std::uint32_t compare, bool is_signed, Site at) {
  note_access(runner(), this_lane(), p, sizeof(std::uint32_t), Access::atomic, at);
  return update<std::uint32_t>(p, [&](std::uint32_t old) {
    if (!is_signed) { return apply(op, old, value, compare); }
    const bool old_is_less = static_cast<std::int32_t>(old) < static_cast<std::int32_t>(value);
    if (op == Atomic::min) { return old_is_less ? old : value; }
    if (op == Atomic::max) { return old_is_less ? value : old; }
    return apply(op, old, value, compare);
  });
}

std::uint64_t atomic64(Atomic op, void* p, std::uint64_t value, std::uint64_t compare, Site at) {
  note_access(runner(), this_lane(), p, sizeof(std::uint64_t), Access::atomic, at);
  return update<std::uint64_t>(p, [&](std::uint64_t old) { return apply(op, old, value, compare); });
}

void fence() {
  std::atomic_thread_fence(std::memory_order_seq_cst);
  this_lane().clocks.fenced = true;
}

}  // namespace vox::simt
