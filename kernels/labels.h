#pragma once

#include <cstdint>
#include <span>

#include "kernels/base/queue.h"

namespace vox {

inline constexpr std::int64_t kLabelChunk = 1 << 16;

/// largest[i] = the largest of labels [i * kLabelChunk, (i+1) * kLabelChunk): cheap enough to run before every loss.
template <class T> struct LargestLabelArgs {
  std::span<const T> labels;
  std::span<T> largest;  ///< ceil(labels / kLabelChunk), overwritten
};

VOX_KERNEL(largest_label, LargestLabelArgs);

}  // namespace vox
