#pragma once

#include "benchmarks/measure/clocks.h"
#include "engine/types.h"

namespace vox::bench {

/// What this machine does at best with work that does nothing else; measured, not looked up.
struct Ceilings {
  double copy_bytes_per_s = 0;   ///< read and written
  double f32_flop_per_s = 0;     ///< fused multiply-adds on registers, two operations each
  double tensor_flop_per_s = 0;  ///< of a GPU: bf16 mma.sync on registers; 0 elsewhere

  /// For a kernel that computes in a storage type.
  [[nodiscard]] double flop_per_s(DType dtype) const {
    return dtype == DType::bf16 && tensor_flop_per_s > 0 ? tensor_flop_per_s
           : dtype == DType::f64                         ? f32_flop_per_s / 2
                                                         : f32_flop_per_s;
  }
};
[[nodiscard]] Ceilings measure_ceilings(Device);

/// The CPU's two probes, for every round: so many calls, on all threads of the queue. An operation is a byte or a flop.
struct Probe {
  Times times;
  double amount = 0;
};
[[nodiscard]] Probe probe_multiply_adds(std::int64_t calls);
[[nodiscard]] Probe probe_copy(std::int64_t calls);  ///< of more than the caches of most machines hold, by memcpy

/// Writes over what the level-2 caches hold, by every thread of the queue. On a GPU it is all L2 there is.
void flush_level2(Device);

}  // namespace vox::bench
