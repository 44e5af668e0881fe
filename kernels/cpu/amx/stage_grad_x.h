#pragma once

#include <algorithm>

#include "kernels/cpu/amx/four_voxels.h"
#include "kernels/cpu/amx/stage_grad.h"
#include "kernels/cpu/amx/stage_pairs.h"

// What a box of the weight gradient reads of x, as bf16 halves in pairs of positions, laid out as AmxGradWeight says.

namespace vox {
namespace {

/// Stages pairs of planes of a box and its halo, a few positions at a time.
template <class T> class AmxGradXStager : public AmxGradStaging {
 public:
  AmxGradXStager(const AmxGradWeight& g, const VolumeParts<const T>& x, Bf16* to)
      : g_(g), x_(x), to_(to), half_(g.x_half()) {}

  /// Pairs of planes [plane,end) of the box and its halo, each to its slot.
  void begin(const AmxBox& box, std::int64_t plane, std::int64_t end) {
    restart(box, plane, end);
    row_ = 0;
    if (!done()) { aim(); }
  }
  void step() {
    if (done()) { return; }
    g_.copies == 3 ? put_copies() : put_pairs();
    if (position_ >= g_.pitch) { next_row(); }
  }
  void drain() {
    while (!done()) { step(); }
  }

 private:
  static constexpr std::int64_t kPairs = std::is_same_v<T, float> ? 4 : 8;  ///< at a time

  VOX_INLINED void put(Bf16* at, __m512i high, __m512i low) const {
    store512(at, high);
    if constexpr (std::is_same_v<T, float>) { store512(at + half_, low); }
  }
  VOX_INLINED void put_pairs() {
    const std::int64_t w = position_ - g_.padding;
    Bf16* const to = row_to_ + position_ * kAmxDepth;
    if (w >= 0 && w + kPairs <= g_.x.w && whole_) {
      for (std::int64_t i = 0; i < kPairs; ++i) {
        const std::int64_t at = (w + i) * kBlock8;
        const PairWords pair = pair_words(load16(from_[0][0], from_[0][1], at), load16(from_[1][0], from_[1][1], at));
        put(to + i * kAmxDepth, pair.high, pair.low);
      }
    } else {
      for (std::int64_t i = 0; i < std::min(kPairs, g_.pitch - position_); ++i) {
        const PairWords pair = pair_words(value(from_[0], w + i), value(from_[1], w + i));
        put(to + i * kAmxDepth, pair.high, pair.low);
      }
    }
    position_ += kPairs;
  }
  VOX_INLINED auto value(const T* const* from, std::int64_t w) const {
    using Values = decltype(load16(from[0], from[1], 0));
    return from[0] != nullptr && w >= 0 && w < g_.x.w ? load16(from[0], from[1], w * kBlock8) : Values{};
  }
  /// Of at most four channels, each at three neighbouring positions: column kw*4 + i is channel i at position p+kw.
  VOX_INLINED void put_copies() {
    constexpr __mmask16 kColumns = 0x0FFF;
    const PairWords next = four_pairs(position_ + 4);
    Bf16* const to = row_to_ + position_ * kAmxDepth;
    unrolled<4>([&](auto i) VOX_INLINED {
      if (position_ + i < g_.pitch) {
        put(to + i * kAmxDepth, _mm512_maskz_alignr_epi32(kColumns, next.high, high_, 4 * i),
            _mm512_maskz_alignr_epi32(kColumns, next.low, low_, 4 * i));
      }
    });
    high_ = next.high;
    low_ = next.low;
    position_ += 4;
  }
  VOX_INLINED PairWords four_pairs(std::int64_t p) const {
    return pair_words(four_voxels(from_[0][0], g_.x.w, p - g_.padding),
                      four_voxels(from_[1][0], g_.x.w, p - g_.padding));
  }
  void next_row() {
    if (++row_ == box_.h_end - box_.h_begin + 2) {
      Bf16* const column = row_to_ - (row_ - 1) * g_.pitch * kAmxDepth;
      for (std::int64_t p = 0; p < g_.halves; ++p) {  // tiles read past the last row
        clear(column + p * half_ + row_ * g_.pitch * kAmxDepth, (g_.stretch - row_ * g_.pitch) * kAmxDepth);
      }
      row_ = 0;
      next_tile();
      if (done()) { return; }
    }
    aim();
  }
  /// A row of a tile of channels begins; beside the volume it counts as zeros.
  void aim() {
    const std::int64_t half = AmxGradWeight::pairs(box_.d_end - box_.d_begin);
    const std::int64_t h = box_.h_begin + row_ - g_.padding;
    for (std::int64_t i = 0; i < 2; ++i) {
      const std::int64_t d = box_.d_begin + i * half + plane_ - g_.padding;
      const bool inside = d >= 0 && d < g_.x.d && h >= 0 && h < g_.x.h;
      const std::int64_t at = (d * g_.x.h + h) * g_.x.w * kBlock8;
      from_[i][0] = inside ? x_.at(box_.n, block()) + at : nullptr;
      from_[i][1] = inside && block() + 1 < g_.x.blocks() ? x_.at(box_.n, block() + 1) + at : nullptr;
    }
    whole_ = from_[0][1] != nullptr && from_[1][1] != nullptr;
    row_to_ = to_ + plane_ % g_.x_staged_planes * g_.x_plane() + tile_ * g_.x_column() + row_ * g_.pitch * kAmxDepth;
    position_ = 0;
    if (g_.copies == 3) {
      const PairWords first = four_pairs(0);
      high_ = first.high;
      low_ = first.low;
    }
  }

  __m512i high_;  ///< of four channels, the four pairs at the present position
  __m512i low_;
  const AmxGradWeight& g_;
  VolumeParts<const T> x_;
  Bf16* to_;
  std::int64_t half_;     ///< from the high halves to the low ones
  std::int64_t row_ = 0;  ///< the present one of a tile, and position
  std::int64_t position_ = 0;
  bool whole_ = false;        ///< sixteen channels of both planes exist
  const T* from_[2][2] = {};  ///< their rows, null where there is none
  Bf16* row_to_ = nullptr;
};

}  // namespace
}  // namespace vox
