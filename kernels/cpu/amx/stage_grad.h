#pragma once

#include "kernels/cpu/amx/stage.h"

namespace vox {
namespace {

/// Where the staging of a weight gradient's operand stands: pair of planes by pair of planes, each tile of channels by
/// tile of channels.
class AmxGradStaging {
 public:
  AmxGradStaging() = default;
  AmxGradStaging(const AmxGradStaging&) = delete;
  AmxGradStaging& operator=(const AmxGradStaging&) = delete;

  /// Tiles of channels [first,first+tiles) come next.
  void select(std::int64_t first, std::int64_t tiles) {
    first_ = first;
    tiles_ = tiles;
  }
  [[nodiscard]] bool done() const { return plane_ >= end_; }

 protected:
  ~AmxGradStaging() = default;
  /// Pairs of planes [plane,end) of the box.
  void restart(const AmxBox& box, std::int64_t plane, std::int64_t end) {
    box_ = box;
    plane_ = plane;
    end_ = end;
    tile_ = 0;
  }
  void next_tile() {
    if (++tile_ == tiles_) {
      tile_ = 0;
      ++plane_;
    }
  }
  /// The first block of channels of the present tile.
  [[nodiscard]] std::int64_t block() const { return (first_ + tile_) * 2; }

  AmxBox box_{};
  std::int64_t plane_ = 0;  ///< the present pair of planes and tile of channels
  std::int64_t tile_ = 0;

 private:
  std::int64_t end_ = 0;
  std::int64_t first_ = 0;
  std::int64_t tiles_ = 0;
};

}  // namespace
}  // namespace vox
