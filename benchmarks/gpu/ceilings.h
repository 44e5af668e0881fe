#pragma once

#include "benchmarks/gpu/device.h"

namespace vox::gpu_bench {

/// What this machine does at best with kernels that do nothing else; measured, not looked up.
struct Ceilings {
  double copy_gb_per_s = 0;       ///< bytes read and written
  double cached_gb_per_s = 0;     ///< bytes read of 16 MB that lie in the L2 cache
  double launch_us = 0;           ///< from one kernel that does nothing to the next
  double f32_gflop_per_s = 0;     ///< fused multiply-adds, two operations each
  double tensor_gflop_per_s = 0;  ///< bf16 mma.sync m16n8k16

  /// For a kernel that computes in a storage type.
  [[nodiscard]] double gflop_per_s(DType dtype) const {
    return dtype == DType::bf16 ? tensor_gflop_per_s : f32_gflop_per_s;
  }
};
[[nodiscard]] Ceilings measure_ceilings(Device);

}  // namespace vox::gpu_bench
