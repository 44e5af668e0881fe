#include <atomic>

#include "kernels/simt/runner.h"

namespace vox::simt {

unsigned atomic_add(unsigned* p, unsigned value, Site at) {
  note_access(runner(), this_lane(), p, sizeof(unsigned), Access::atomic, at);
  // Blocks run on several OS threads: the update is atomic among them, too.
  return std::atomic_ref<unsigned>(*p).fetch_add(value, std::memory_order_relaxed);
}

void fence() {
  std::atomic_thread_fence(std::memory_order_seq_cst);
  this_lane().clocks.fenced = true;
}

}  // namespace vox::simt
