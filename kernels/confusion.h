#pragma once

#include <cstdint>
#include <span>

#include "kernels/base/queue.h"

namespace vox {

inline constexpr std::int64_t kConfusionChunk = 1 << 16;  ///< voxels of one partial count
inline constexpr std::int64_t kConfusionClasses = 16;     ///< at most

/// Doubles of scratch.
[[nodiscard]] constexpr std::int64_t confusion_partials(std::int64_t voxels, std::int64_t classes) {
  return (voxels + kConfusionChunk - 1) / kConfusionChunk * classes * classes;
}

/// counts[t*classes + p] = voxels of class t that were given class p. Exact: doubles hold integers up to 2^53.
template <class T> struct ConfusionArgs {
  std::span<const T> truth;      ///< each < classes
  std::span<const T> predicted;  ///< as many, each < classes
  std::int64_t classes;          ///< 1 to kConfusionClasses
  std::span<double> partials;    ///< scratch, confusion_partials()
  std::span<double> counts;      ///< [classes,classes], overwritten
};

VOX_KERNEL(confusion, ConfusionArgs);

}  // namespace vox
