#pragma once

#include <algorithm>

#include "kernels/cpu/amx/stage_pairs.h"

// What a box of the weight gradient reads of dy, as bf16 parts with rows of positions; laid out as AmxGradWeight says.

namespace vox {
namespace {

/// Stages planes of a box, a few positions or a transposition at a time: 32 positions of sixteen channels to
/// sixteen rows, zero beside the volume.
template <class T> class AmxGradDyStager {
 public:
  AmxGradDyStager(const AmxGradWeight& g, const T* dy, Bf16* to) 
      : g_(g), dy_(dy), to_(to), part_(g.dy_part()), plane_elements_(g.dy.h * g.dy.w * kBlock8) {}
  AmxGradDyStager(const AmxGradDyStager&) = delete;
  AmxGradDyStager& operator=(const AmxGradDyStager&) = delete;

  /// Tiles of channels [first,first+rows) come next.
  void select(std::int64_t first, std::int64_t rows) {
    first_row_ = first;
    rows_ = rows;
  }
  /// Planes [plane,end) of the box, each to its slot.
  void begin(const AmxBox& box, std::int64_t plane, std::int64_t end) {
    box_ = box;
    plane_ = plane;
    end_ = end;
    row_ = 0;
    length_ = g_.positions(box.h_end - box.h_begin);
    if (!done()) { aim(); }
  }
  [[nodiscard]] bool done() const { return plane_ >= end_; }
  void step() {
    if (done()) { return; }
    if (turn_ < kPairs) { return pack(); }
    const std::int64_t part = (turn_ - kPairs) / kTurns;
    const std::int64_t first = (turn_ - kPairs) % kTurns * kTogether;
    char* const to = reinterpret_cast<char*>(tile_ + part * part_ + position_);
    for (std::int64_t i = first; i < first + kTogether; ++i) {
      transpose_quarter(part == 0 ? high_ : low_, i, to + i * 8 * g_.length, g_.length * 2);
    }
    if (++turn_ == kPairs + g_.parts * kTurns) { next_positions(); }
  }
  void drain() {
    while (!done()) { step(); }
  }

 private:
  static constexpr std::int64_t kPairs = kAmxDepth / 2;
  static constexpr std::int64_t kTogether = std::is_same_v<T, float> ? 2 : 4;  ///< pairs, or quarters
  static constexpr std::int64_t kTurns = 4 / kTogether;                          ///< of a part's transposition

  VOX_INLINED auto value(std::int64_t w) const {
    using Values = decltype(load16(from_[0], from_[1], 0));
    return w < g_.dy.w && h_ < box_.h_end ? load16(from_[0], from_[1], (h_ * g_.dy.w + w) * kBlock8) : Values{};
  }
  /// kTogether pairs.
  VOX_INLINED void pack() {
    const std::int64_t w = w_;
    const bool inside = h_ < box_.h_end && w + 2 * kTogether <= g_.dy.w && from_[1] != nullptr;
    if (inside) {
      const std::int64_t at = (h_ * g_.dy.w + w) * kBlock8;
      for (std::int64_t i = 0; i < kTogether; ++i) {
        const T* const a = from_[0] + at + 2 * i * kBlock8;
        const T* const b = from_[1] + at + 2 * i * kBlock8;
        __builtin_prefetch(a + plane_elements_, 0, 2);
        __builtin_prefetch(b + plane_elements_, 0, 2);
        put(turn_ + i, pair_words(load16(a, b, 0), load16(a, b, kBlock8)));
      }
      w_ += 2 * kTogether;
      next_row_after();
    } else {
      for (std::int64_t i = 0; i < kTogether; ++i) {
        put(turn_ + i, pair_words(value(w_), value(w_ + 1)));
        w_ += 2;
        next_row_after();
      }
    }
    turn_ += kTogether;
  }
  VOX_INLINED void put(std::int64_t pair, const PairWords& w) {
    _mm512_store_si512(high_[pair], w.high);
    if constexpr (std::is_same_v<T, float>) { _mm512_store_si512(low_[pair], w.low); }
  }
  VOX_INLINED void next_row_after() {
    if (w_ == g_.pitch) {
      w_ = 0;
      ++h_;
    }
  }
  void next_positions() {
    turn_ = 0;
    position_ += kAmxDepth;
    if (position_ < length_) { return; }
    if (++row_ == rows_) {
      row_ = 0;
      ++plane_;
      if (done()) { return; }
    }
    aim();
  }
  /// A tile of channels of a plane begins.
  void aim() {
    const std::int64_t block = (first_row_ + row_) * 2;
    const std::int64_t at = (box_.d_begin + plane_) * g_.dy.h * g_.dy.w;
    from_[0] = dy_ + g_.dy.offset(box_.n, block, at);
    from_[1] = block + 1 < g_.dy.blocks() ? dy_ + g_.dy.offset(box_.n, block + 1, at) : nullptr;
    tile_ = to_ + plane_ % g_.dy_slots * g_.dy_plane() + row_ * g_.parts * g_.dy_part();
    position_ = 0;
    turn_ = 0;
    h_ = box_.h_begin;
    w_ = 0;
  }

  alignas(64) std::uint32_t high_[kPairs][kAmxColumns];  ///< of the 32 positions that are being staged
  alignas(64) std::uint32_t low_[kPairs][kAmxColumns];
  const AmxGradWeight& g_;
  const T* dy_;
  Bf16* to_;
  std::int64_t part_;            ///< from the high parts to the low ones
  std::int64_t plane_elements_;  ///< of a block
  std::int64_t first_row_ = 0;
  std::int64_t rows_ = 0;
  AmxBox box_{};
  std::int64_t length_ = 0;  ///< positions that are read of a plane
  std::int64_t plane_ = 0;   ///< the present plane, tile of channels, 32 positions and step of theirs
  std::int64_t end_ = 0;
  std::int64_t row_ = 0;
  std::int64_t position_ = 0;
  std::int64_t turn_ = 0;
  std::int64_t h_ = 0;  ///< the next position to pack
  std::int64_t w_ = 0;
  const T* from_[2] = {};  ///< the plane's blocks
  Bf16* tile_ = nullptr;
};

}  // namespace
}  // namespace vox
