#pragma once

#include "kernels/cpu/amx/stage.h"

namespace vox {
namespace {

/// Stages one plane of a box's inputs, a few positions at a time.
template <class T> class AmxPlaneStager {
 public:
  AmxPlaneStager(const AmxConv& c, const VolumeParts<const T>& in) : c_(c), in_(in), group_(c.groups) {}
  AmxPlaneStager(const AmxPlaneStager&) = delete;
  AmxPlaneStager& operator=(const AmxPlaneStager&) = delete;

  /// Starts staging plane `plane` of the box and its halo, [0,depth+2), to `to`. What is not staged yet of the plane
  /// before is left out.
  void begin(const AmxBox& box, std::int64_t plane, Bf16* to) {
    box_ = box;
    d_ = box.d_begin + plane + c_.delta_min;
    to_ = to;
    rows_ = box.h_end - box.h_begin + 2;
    row_ = 0;
    position_ = 0;
    group_ = 0;
    aim();
  }
  [[nodiscard]] bool done() const { return group_ == c_.groups; }
  /// The next `most` positions, or those up to the end of a row.
  void step(std::int64_t most) {
    if (done()) { return; }
    Bf16* const to = to_ + group_ * c_.group() + row_ * c_.row();
    if (from_[0] == nullptr) {
      for (std::int64_t half = 0; half < c_.halves_apart; ++half) { clear(to + half * c_.half(), c_.row()); }
      return next_row();
    }
    const std::int64_t end = std::min(position_ + most, c_.pitch);
    stage_positions(c_, from_, position_, end, to);
    position_ = end;
    if (end == c_.pitch) { next_row(); }
  }
  void drain() {
    while (!done()) { step(c_.pitch); }
  }

 private:
  void next_row() {
    position_ = 0;
    if (++row_ == rows_) {
      // A tile reads up to 19 positions past its last voxel. Their weights are zero, but zero times NaN is NaN: so they
      // are zero, too.
      const std::int64_t unused = std::min((c_.boxes.height + 2 - rows_) * c_.row(), 2 * kAmxRows * c_.unit);
      Bf16* const end = to_ + group_ * c_.group() + rows_ * c_.row();
      for (std::int64_t half = 0; half < c_.halves_apart; ++half) { clear(end + half * c_.half(), unused); }
      row_ = 0;
      if (++group_ == c_.groups) { return; }
    }
    aim();
  }
  /// Sets from_ to the present row in each of the group's blocks; null outside the volume.
  void aim() {
    const std::int64_t h = box_.h_begin + row_ + c_.delta_min;
    const bool inside = d_ >= 0 && d_ < c_.in.d && h >= 0 && h < c_.in.h;
    const std::int64_t blocks = std::max<std::int64_t>(1, c_.channels / kBlock8);
    for (std::int64_t b = 0; b < 4; ++b) {
      const std::int64_t block = group_ * blocks + b;
      const bool there = inside && b < blocks && block < c_.in.blocks();
      from_[b] = there ? in_.at(box_.n, block) + (d_ * c_.in.h + h) * c_.in.w * kBlock8 : nullptr;
    }
  }

  const AmxConv& c_;
  VolumeParts<const T> in_;
  AmxBox box_{};
  std::int64_t d_ = 0;  ///< of the plane in the volume
  Bf16* to_ = nullptr;
  std::int64_t rows_ = 0;
  std::int64_t group_;  ///< the present group, row and position
  std::int64_t row_ = 0;
  std::int64_t position_ = 0;
  const T* from_[4] = {};
};

}  // namespace
}  // namespace vox
