#pragma once

#include <cstddef>
#include <cstdint>

namespace vox {
namespace {

/// How a row of voxels, or of windows, is cut into tiles of at most Most (even): about equally long and even, after a
/// tile of 3 where the row is odd (of 1 where it is 1). Each length is an unrolled tile of its own, which takes the
/// compiler a third of a second: of odd ones there are no others.
template <int Most> class RowSplit {
 public:
  static_assert(Most % 2 == 0 && Most >= 4);
  static constexpr int kSlots = Most / 2 + 2;  ///< lengths there are
  /// By slot: 1, 3, 2, 4, 6, ... Most.
  [[nodiscard]] static constexpr int length(int slot) { return slot < 2 ? 2 * slot + 1 : 2 * slot - 2; }
  [[nodiscard]] static constexpr std::size_t slot(std::int64_t length) {
    return static_cast<std::size_t>(length % 2 != 0 ? length / 2 : length / 2 + 1);
  }

  explicit RowSplit(std::int64_t width)
      : first_(width % 2 == 0 ? 0
               : width == 1   ? 1
                              : 3),
        pairs_((width - first_) / 2),
        even_tiles_((pairs_ + Most / 2 - 1) / (Most / 2)) {}

  [[nodiscard]] std::int64_t tiles() const { return even_tiles_ + (first_ != 0 ? 1 : 0); }
  /// First voxel of tile i; of tile tiles(): the width.
  [[nodiscard]] std::int64_t begin(std::int64_t i) const {
    if (first_ != 0 && i-- == 0) { return 0; }
    return even_tiles_ == 0 ? first_ : first_ + pairs_ * i / even_tiles_ * 2;
  }

 private:
  std::int64_t first_;
  std::int64_t pairs_;
  std::int64_t even_tiles_;
};

}  // namespace
}  // namespace vox
