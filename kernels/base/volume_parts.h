#pragma once

#include <cstdint>

#include "kernels/base/volume.h"

namespace vox {

/// Where the blocks of a volume batch lie that is one tensor, or two that follow one another along C and stay where
/// they are: concatenated without a copy. E is T or const T.
template <class E> struct VolumeParts {
  E* first = nullptr;
  E* second = nullptr;     ///< null where there is one tensor
  int first_blocks = 0;    ///< channel blocks of a case in the first tensor; 32 bits: GPU kernels multiply them
  int second_blocks = 0;   ///< and in the second
  std::int64_t block = 0;  ///< elements of a block: voxels * 8

  /// The first element of block b of case n.
  [[nodiscard]] VOX_HD E* at(std::int64_t n, std::int64_t b) const {
    return b < first_blocks ? first + (n * first_blocks + b) * block
                            : second + (n * second_blocks + b - first_blocks) * block;
  }
  /// Elements from block b to block b+1 of a case, in whatever tensor that is.
  [[nodiscard]] VOX_HD std::int64_t apart(std::int64_t n, std::int64_t b) const {
    if (b + 1 != first_blocks || second_blocks == 0) { return block; }
    return (reinterpret_cast<std::intptr_t>(at(n, b + 1)) - reinterpret_cast<std::intptr_t>(at(n, b))) /
           static_cast<std::intptr_t>(sizeof(E));  // exact: tensors are aligned to more than an element
  }
  /// Whether blocks [b,b+count) lie in one tensor.
  [[nodiscard]] VOX_HD bool together(std::int64_t b, std::int64_t count) const {
    return b >= first_blocks || b + count <= first_blocks;
  }
};

/// A volume batch of which the first `split` channels, a multiple of 8, lie in one tensor and the others in a second;
/// split 0: all in one.
template <class E> [[nodiscard]] VolumeParts<E> volume_parts(const VolumeShape& s, std::int64_t split, E* x, E* x2) {
  const std::int64_t first = split == 0 ? s.blocks() : split / kBlock8;
  return {.first = x,
          .second = x2,
          .first_blocks = static_cast<int>(first),
          .second_blocks = static_cast<int>(s.blocks() - first),
          .block = s.voxels() * kBlock8};
}

}  // namespace vox
