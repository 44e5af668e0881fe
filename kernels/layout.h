#pragma once

#include <span>

#include "kernels/base/bf16.h"
#include "kernels/base/queue.h"
#include "kernels/base/volume.h"

namespace vox {

/// blocked[n, c/8, v, c%8] = plain[n, c, v]; padding channels become zero. Where data enters on the CPU;
/// kernels/augment.h is how it enters a device.
template <class T> struct ToBlockedArgs {
  VolumeShape shape;
  std::span<const T> plain;  ///< [N,C,D,H,W]
  std::span<T> blocked;      ///< [N,ceil(C/8),D,H,W,8], overwritten
};

/// plain[n, c, v] = blocked[n, c/8, v, c%8]. Where data leaves, on the CPU.
template <class T> struct ToPlainArgs {
  VolumeShape shape;
  std::span<const T> blocked;  ///< [N,ceil(C/8),D,H,W,8]
  std::span<T> plain;          ///< [N,C,D,H,W], overwritten
};

VOX_KERNEL(to_blocked, ToBlockedArgs);
VOX_KERNEL(to_plain, ToPlainArgs);

}  // namespace vox
