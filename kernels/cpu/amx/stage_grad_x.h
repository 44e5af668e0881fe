#pragma once

#include <algorithm>

#include "kernels/cpu/amx/stage_pairs.h"

// What a box of the weight gradient reads of x, as bf16 parts with pairs of positions, laid out as AmxGradWeight says.

namespace vox {
namespace {

/// Four channels of four neighbouring voxels from voxel w on, zero beside the volume.
template <class T> VOX_INLINED inline auto four_voxels(const T* row, std::int64_t width, std::int64_t w) {
  const auto voxel = [&](std::int64_t i) VOX_INLINED {
    const bool inside = row != nullptr && w + i >= 0 && w + i < width;
    if constexpr (std::is_same_v<T, float>) {
      return inside ? _mm_loadu_ps(row + (w + i) * kBlock8) : _mm_setzero_ps();
    } else {
      return inside ? _mm_loadl_epi64(reinterpret_cast<const __m128i*>(row + (w + i) * kBlock8)) : _mm_setzero_si128();
    }
  };
  if constexpr (std::is_same_v<T, float>) {
    const __m256 low = _mm256_insertf128_ps(_mm256_castps128_ps256(voxel(0)), voxel(1), 1);
    const __m256 high = _mm256_insertf128_ps(_mm256_castps128_ps256(voxel(2)), voxel(3), 1);
    return _mm512_insertf32x8(_mm512_castps256_ps512(low), high, 1);
  } else {
    return _mm256_inserti128_si256(_mm256_castsi128_si256(_mm_unpacklo_epi64(voxel(0), voxel(1))),
                                   _mm_unpacklo_epi64(voxel(2), voxel(3)), 1);
  }
}
VOX_INLINED inline __m512 a_voxel_on(__m512 here, __m512 next) {
  return _mm512_castsi512_ps(_mm512_alignr_epi32(_mm512_castps_si512(next), _mm512_castps_si512(here), 4));
}
VOX_INLINED inline __m256i a_voxel_on(__m256i here, __m256i next) { return _mm256_alignr_epi64(next, here, 1); }

/// Stages planes of a box and its halo, a few positions at a time.
template <class T> class AmxGradXStager {
 public:
  AmxGradXStager(const AmxGradWeight& g, const VolumeParts<const T>& x, Bf16* to)
      : g_(g), x_(x), to_(to), part_(g.x_part()), odd_(g.parts * part_), plane_elements_(g.x.h * g.x.w * kBlock8) {}
  AmxGradXStager(const AmxGradXStager&) = delete;
  AmxGradXStager& operator=(const AmxGradXStager&) = delete;

  /// Tiles of channels [first,first+columns) come next.
  void select(std::int64_t first, std::int64_t columns) {
    first_column_ = first;
    columns_ = columns;
  }
  /// Planes [plane,end) of the box and its halo, each to its slot.
  void begin(const AmxBox& box, std::int64_t plane, std::int64_t end) {
    box_ = box;
    plane_ = plane;
    end_ = end;
    column_ = 0;
    row_ = 0;
    if (!done()) { aim(); }
  }
  [[nodiscard]] bool done() const { return plane_ >= end_; }
  void step() {
    if (done()) { return; }
    if (g_.copies == 1) {
      put_pairs();
    } else {
      for (std::int64_t i = 0; i < kPairs && position_ < g_.pitch; ++i) { put_copies(); }
    }
    if (position_ >= g_.pitch) { next_row(); }
  }
  void drain() {
    while (!done()) { step(); }
  }

 private:
  VOX_INLINED auto value(std::int64_t position) const {
    using Values = decltype(load16(from_[0], from_[1], 0));
    const std::int64_t w = position - g_.padding;
    return w >= 0 && w < width_ ? load16(from_[0], from_[1], w * kBlock8) : Values{};
  }
  VOX_INLINED void put(Bf16* at, __m512i high, __m512i low) const {
    store512(at, high);
    if constexpr (std::is_same_v<T, float>) { store512(at + part_, low); }
  }
  /// Up to kPairs pairs: positions (p, p+1) of the even pairing and (p+1, p+2) of the odd one. The last odd pair would
  /// need the next row's position 0, and dy has zeros where it is read.
  VOX_INLINED void put_pairs() {
    const std::int64_t end = std::min(position_ + 2 * kPairs, g_.pitch);
    const std::int64_t w = position_ - g_.padding;
    if (w + 2 >= 0 && w + 2 * kPairs + 2 <= width_ && from_[1] != nullptr) {
      put_inside(from_[0] + w * kBlock8, from_[1] + w * kBlock8);
    } else {
      for (std::int64_t p = position_; p < end; p += 2) {
        put_pair(row_to_ + p * kAmxColumns, pair_words(value(p + 2), value(p + 3)));
      }
    }
    position_ = end;
  }
  /// kPairs pairs of sixteen channels that exist, of voxels inside the volume; `first` and `second` are at the voxel of
  /// the present position.
  VOX_INLINED void put_inside(const T* first, const T* second) {
    const std::int64_t ahead = plane_elements_;
    Bf16* const to = row_to_ + position_ * kAmxColumns;
    for (std::int64_t i = 0; i < kPairs; ++i) {
      const T* const a = first + (2 * i + 2) * kBlock8;
      const T* const b = second + (2 * i + 2) * kBlock8;
      __builtin_prefetch(a + ahead, 0, 2);
      __builtin_prefetch(b + ahead, 0, 2);
      put_pair(to + i * 2 * kAmxColumns, pair_words(load16(a, b, 0), load16(a, b, kBlock8)));
    }
  }
  /// The present pair, which is in high_ and low_, and the odd one before the next.
  VOX_INLINED void put_pair(Bf16* at, const PairWords& next) {
    put(at, high_, low_);
    put(at + odd_, between(high_, next.high), between(low_, next.low));
    high_ = next.high;
    low_ = next.low;
  }
  /// Of at most four channels, pairs at three neighbouring positions: column kw*4 + i is channel i at p + kw.
  VOX_INLINED void put_copies() {
    constexpr __mmask16 kColumns = 0x0FFF;
    const PairWords next = four_pairs(position_ + 4);
    Bf16* const at = row_to_ + position_ * kAmxColumns;
    put(at, _mm512_maskz_mov_epi32(kColumns, high_), _mm512_maskz_mov_epi32(kColumns, low_));
    if (position_ + 2 < g_.pitch) {
      put(at + 2 * kAmxColumns, _mm512_maskz_alignr_epi32(kColumns, next.high, high_, 8),
          _mm512_maskz_alignr_epi32(kColumns, next.low, low_, 8));
    }
    high_ = next.high;
    low_ = next.low;
    position_ += 4;
  }
  /// Of four channels, the pairs that begin at positions p to p+3.
  VOX_INLINED PairWords four_pairs(std::int64_t p) {
    const auto here = four_voxels(from_[0], width_, p - g_.padding);
    return pair_words(here, a_voxel_on(here, four_voxels(from_[0], width_, p + 4 - g_.padding)));
  }
  void next_row() {
    if (++row_ == box_.h_end - box_.h_begin + 2) {
      Bf16* const column = row_to_ - (row_ - 1) * g_.pitch * kAmxColumns;
      for (std::int64_t p = 0; p < g_.pairings * g_.parts; ++p) {  // tiles read past the last row
        clear(column + p * g_.x_part() + row_ * g_.pitch * kAmxColumns, (g_.stretch - row_ * g_.pitch) * kAmxColumns);
      }
      row_ = 0;
      if (++column_ == columns_) {
        column_ = 0;
        ++plane_;
        if (done()) { return; }
      }
    }
    aim();
  }
  /// A row of a tile of channels begins; beside the volume it counts as zeros.
  void aim() {
    const std::int64_t d = box_.d_begin + plane_ - g_.padding;
    const std::int64_t h = box_.h_begin + row_ - g_.padding;
    const bool inside = d >= 0 && d < g_.x.d && h >= 0 && h < g_.x.h;
    const std::int64_t block = (first_column_ + column_) * 2;
    const std::int64_t at = (d * g_.x.h + h) * g_.x.w * kBlock8;
    width_ = inside ? g_.x.w : 0;
    from_[0] = inside ? x_.at(box_.n, block) + at : nullptr;
    from_[1] = inside && block + 1 < g_.x.blocks() ? x_.at(box_.n, block + 1) + at : nullptr;
    row_to_ = to_ + plane_ % g_.x_slots * g_.x_plane() + column_ * g_.x_column() + row_ * g_.pitch * kAmxColumns;
    position_ = 0;
    const PairWords first = g_.copies == 3 ? four_pairs(0) : pair_words(value(0), value(1));
    high_ = first.high;
    low_ = first.low;
  }

  static constexpr std::int64_t kPairs = std::is_same_v<T, float> ? 2 : 4;  ///< at a time

  __m512i high_;  ///< the pair at the present position, or the four
  __m512i low_;
  const AmxGradWeight& g_;
  VolumeParts<const T> x_;
  Bf16* to_;
  std::int64_t part_;            ///< from the high parts to the low ones
  std::int64_t odd_;             ///< from the even pairing to the odd one
  std::int64_t plane_elements_;  ///< of a block
  std::int64_t first_column_ = 0;
  std::int64_t columns_ = 0;
  AmxBox box_{};
  std::int64_t plane_ = 0;  ///< the present plane, tile of channels, row and position
  std::int64_t end_ = 0;
  std::int64_t column_ = 0;
  std::int64_t row_ = 0;
  std::int64_t position_ = 0;
  std::int64_t width_ = 0;  ///< voxels of the present row
  const T* from_[2] = {};
  Bf16* row_to_ = nullptr;
};

}  // namespace
}  // namespace vox
