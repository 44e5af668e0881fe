#pragma once

#include "engine/types.h"

namespace vox::bench {

/// What this machine does at best with work that does nothing else; measured, not looked up.
struct Ceilings {
  double copy_bytes_per_s = 0;    ///< read and written
  double f32_flop_per_s = 0;      ///< fused multiply-adds on registers, two operations each
  double tensor_flop_per_s = 0;   ///< of a GPU: bf16 mma.sync m16n8k16 on registers; 0 elsewhere
  double cached_bytes_per_s = 0;  ///< of a GPU: read of 16 MiB that lie in its L2 cache; 0 elsewhere
  double launch_s = 0;            ///< of a GPU: from one kernel that does nothing to the next; 0 elsewhere

  /// For a kernel that computes in a storage type.
  [[nodiscard]] double flop_per_s(DType dtype) const {
    return dtype == DType::bf16 && tensor_flop_per_s > 0 ? tensor_flop_per_s
           : dtype == DType::f64                         ? f32_flop_per_s / 2
                                                         : f32_flop_per_s;
  }
};
/// Of the CPU: by all threads of the queue in its instruction set, by processor time.
[[nodiscard]] Ceilings measure_ceilings(Device);

}  // namespace vox::bench
