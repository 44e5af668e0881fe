#pragma once

#include "benchmarks/measure/clocks.h"
#include "engine/types.h"

namespace vox::bench {

/// The CPU's two probes, for every round: so many calls, on all threads of the queue. An operation is a byte or a flop.
struct Probe {
  Times times;
  double amount = 0;
};
[[nodiscard]] Probe probe_multiply_adds(std::int64_t calls);
[[nodiscard]] Probe probe_copy(std::int64_t calls);  ///< of more than the caches of most machines hold, by memcpy

/// Puts other data into the level-2 caches. Of the CPU by writing, by every thread of the queue; of a GPU, all L2 there
/// is, by reading: no line is left that is still to be written. Does not wait for the GPU.
void flush_level2(Device);

}  // namespace vox::bench
