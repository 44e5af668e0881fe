#pragma once

#include "kernels/cuda/gpu.h"

namespace vox::gpu {

/// Of a table of tensors whose chunks one launch takes, a thread block each: the entry that chunk blockIdx.x belongs
/// to, the last that does not begin after it. Entry has `first_chunk`.
template <class Entry> __device__ __forceinline__ int this_entry(const Entry* entries, int count) {
  int low = 0;
  int high = count;
  while (high - low > 1) {
    const int middle = (low + high) / 2;
    if (entries[middle].first_chunk <= blockIdx.x) {
      low = middle;
    } else {
      high = middle;
    }
  }
  return low;
}

}  // namespace vox::gpu
