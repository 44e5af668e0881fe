#pragma once

#include <algorithm>

#include "kernels/cpu/amx/stage_grad.h"
#include "kernels/cpu/amx/stage_pairs.h"

// What a box of the weight gradient reads of dy, as bf16 halves with rows of pairs of positions; laid out as
// AmxGradWeight says.

namespace vox {
namespace {

/// Stages pairs of planes of a box, a few positions or half a transposition at a time: sixteen pairs of positions of
/// sixteen channels to sixteen rows, zero beside the volume.
template <class T> class AmxGradDyStager : public AmxGradStaging {
 public:
  AmxGradDyStager(const AmxGradWeight& g, const T* dy, Bf16* to) : g_(g), dy_(dy), to_(to), half_(g.dy_half()) {}

  /// Pairs of planes [plane,end) of the box, each to its slot.
  void begin(const AmxBox& box, std::int64_t plane, std::int64_t end) {
    restart(box, plane, end);
    length_ = g_.positions(box.h_end - box.h_begin);
    if (!done()) { aim(); }
  }
  void step() {
    if (done()) { return; }
    if (turn_ < kPairs) { return pack(); }
    const std::int64_t half = (turn_ - kPairs) / 4;
    const std::int64_t first = (turn_ - kPairs) % 4;
    char* const to = reinterpret_cast<char*>(tile_to_ + half * half_ + position_ * 2);
    for (std::int64_t i = first; i < first + kQuarters; ++i) {
      transpose_quarter(half == 0 ? high_ : low_, i, to + i * 16 * g_.length, g_.length * 4);
    }
    turn_ += kQuarters;
    if (turn_ == kPairs + g_.halves * 4) { next_positions(); }
  }
  void drain() {
    while (!done()) { step(); }
  }

 private:
  static constexpr std::int64_t kPairs = 16;
  static constexpr std::int64_t kPacked = std::is_same_v<T, float> ? 4 : 8;  ///< at a time
  static constexpr std::int64_t kQuarters = std::is_same_v<T, float> ? 2 : 4;

  VOX_INLINED auto value(const T* const* from) const {
    using Values = decltype(load16(from[0], from[1], 0));
    const bool inside = from[0] != nullptr && w_ < g_.dy.w && h_ < box_.h_end;
    return inside ? load16(from[0], from[1], (h_ * g_.dy.w + w_) * kBlock8) : Values{};
  }
  VOX_INLINED void pack() {
    if (whole_ && h_ < box_.h_end && w_ + kPacked <= g_.dy.w) {
      for (std::int64_t i = 0; i < kPacked; ++i) {
        const std::int64_t at = (h_ * g_.dy.w + w_ + i) * kBlock8;
        put(turn_ + i, pair_words(load16(from_[0][0], from_[0][1], at), load16(from_[1][0], from_[1][1], at)));
      }
      w_ += kPacked;  // a row goes on: its last two positions are no voxels
    } else {
      for (std::int64_t i = 0; i < kPacked; ++i) {
        put(turn_ + i, pair_words(value(from_[0]), value(from_[1])));
        if (++w_ == g_.pitch) {
          w_ = 0;
          ++h_;
        }
      }
    }
    turn_ += kPacked;
  }
  VOX_INLINED void put(std::int64_t pair, const PairWords& w) {
    _mm512_store_si512(high_[pair], w.high);
    if constexpr (std::is_same_v<T, float>) { _mm512_store_si512(low_[pair], w.low); }
  }
  void next_positions() {
    turn_ = 0;
    position_ += kPairs;
    if (position_ < length_) { return; }
    next_tile();
    if (!done()) { aim(); }
  }
  /// A tile of channels of a pair of planes begins.
  void aim() {
    const std::int64_t half = AmxGradWeight::pairs(box_.d_end - box_.d_begin);
    for (std::int64_t i = 0; i < 2; ++i) {
      const std::int64_t d = box_.d_begin + i * half + plane_;
      const bool inside = d < box_.d_end;
      const std::int64_t at = d * g_.dy.h * g_.dy.w;
      from_[i][0] = inside ? dy_ + g_.dy.offset(box_.n, block(), at) : nullptr;
      from_[i][1] = inside && block() + 1 < g_.dy.blocks() ? dy_ + g_.dy.offset(box_.n, block() + 1, at) : nullptr;
    }
    whole_ = from_[0][1] != nullptr && from_[1][1] != nullptr;
    tile_to_ = to_ + plane_ % g_.dy_staged_planes * g_.dy_plane() + tile_ * g_.dy_row();
    position_ = 0;
    turn_ = 0;
    h_ = box_.h_begin;
    w_ = 0;
  }

  alignas(64) std::uint32_t high_[kPairs][kAmxColumns];  ///< the sixteen pairs that are being staged
  alignas(64) std::uint32_t low_[kPairs][kAmxColumns];
  const AmxGradWeight& g_;
  const T* dy_;
  Bf16* to_;
  std::int64_t half_;          ///< from the high halves to the low ones
  std::int64_t length_ = 0;    ///< pairs of positions that are read of a plane
  std::int64_t position_ = 0;  ///< the present sixteen pairs of a tile, and step of theirs
  std::int64_t turn_ = 0;
  std::int64_t h_ = 0;  ///< the next position to pack
  std::int64_t w_ = 0;
  bool whole_ = false;        ///< sixteen channels of both planes exist
  const T* from_[2][2] = {};  ///< the planes' blocks, null where there is none
  Bf16* tile_to_ = nullptr;
};

}  // namespace
}  // namespace vox
