#pragma once

#include "kernels/base/queue.h"

namespace vox::bench {

/// Runs fused multiply-adds on f32 registers on every thread of the queue, in its instruction set (multiplies and adds
/// where the baseline has none), and returns how many operations that were: two per lane and instruction.
[[nodiscard]] double run_fmas(const CpuQueue&);

}  // namespace vox::bench
