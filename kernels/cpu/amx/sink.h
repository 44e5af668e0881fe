#pragma once

#include "kernels/conv3d.h"
#include "kernels/cpu/amx/moments.h"
#include "kernels/cpu/amx/stage.h"
#include "kernels/cpu/amx/store16.h"

namespace vox {
namespace {

/// A tile's rows: `count` positions of a staged plane from `at` on. The last two positions of each row of the plane are
/// no voxels; sums of the others go to the output.
struct Run {
  std::int64_t at;
  std::int64_t count;
};

/// Writes tiles of sums to the output, a row at a time, with what the epilogue wants done to them.
template <class T> class AmxSink {
 public:
  AmxSink(const AmxConv& c, const VolumeParts<T>& out, const Conv3dEpilogue& epilogue)
      : c_(c), out_(out), epilogue_(epilogue), streams_(streams_volume(c.out, out)) {}
  AmxSink(const AmxSink&) = delete;
  AmxSink& operator=(const AmxSink&) = delete;

  /// Whether what is written goes past the caches.
  [[nodiscard]] bool streams() const { return streams_; }
  /// The tiles that come next are of this box, in up to kAmxSinkColumns columns of tiles from `column` on.
  void begin(const AmxBox& box, std::int64_t column, std::int64_t columns) {
    box_ = box;
    first_column_ = column;
    columns_ = columns;
    for (std::int64_t i = 0; i < columns; ++i) { moments_[i] = {}; }
  }
  /// A tile of sums of the box's plane d; the sums stay where they are until drain() or enough step()s.
  void add(std::int64_t d, std::int64_t column, Run run, const float* sums) {
    const std::int64_t block = column * 2;
    T* const first = out_.at(box_.n, block);
    T* const second = block + 1 < c_.out.blocks() ? out_.at(box_.n, block + 1) : nullptr;
    while (run.count > 0) {
      const std::int64_t w = run.at % c_.pitch;
      const std::int64_t here = std::min(run.count, c_.pitch - w);  // the last two positions of a row are no voxels
      const std::int64_t voxel = ((d * c_.out.h + box_.h_begin + run.at / c_.pitch) * c_.out.w + w) * kBlock8;
      const std::int64_t count = std::min(here, c_.out.w - w);
      if (count > 0) {
        pieces_[end_++] = {sums, first + voxel, second != nullptr ? second + voxel : nullptr, column, count};
      }
      sums += here * kAmxColumns;
      run.at += here;
      run.count -= here;
    }
  }
  /// Writes up to `most` voxels of a tile.
  void step(std::int64_t most) {
    if (next_ == end_) { return; }
    Piece& whole = pieces_[next_];
    Piece p = whole;
    if (whole.count > most) {
      p.count = most;
      whole.from += most * kAmxColumns;
      whole.first += most * kBlock8;
      whole.second += whole.second != nullptr ? most * kBlock8 : 0;
      whole.count -= most;
    } else if (++next_ == end_) {
      next_ = end_ = 0;
    }
    epilogue_.moments.empty() ? write<false>(p, epilogue_.relu) : write<true>(p, epilogue_.relu);
  }
  void drain() {
    while (next_ != end_) { step(kAmxRows); }
  }
  /// All tiles of the box have come: writes their moments, those of box `number`.
  void finish(std::int64_t number) {
    if (streams_) { end_stream(); }
    if (epilogue_.moments.empty()) { return; }
    const auto count = static_cast<double>((box_.d_end - box_.d_begin) * (box_.h_end - box_.h_begin) * c_.out.w);
    for (std::int64_t i = 0; i < columns_; ++i) {
      const AmxMoments& m = moments_[i];
      for (std::int64_t o = 0; o < kAmxColumns; ++o) {
        const std::int64_t block = (first_column_ + i) * 2 + o / kBlock8;
        if (block >= c_.out.blocks()) { break; }
        double* const to = epilogue_.moments.data() + (block * c_.box_count() + number) * kBoxMoments + o % kBlock8;
        to[0] = count;
        to[kBlock8] = static_cast<double>(m.about[o]) + m.sum[o] / count;
        to[2 * kBlock8] = m.square[o] - m.sum[o] * m.sum[o] / count;
      }
    }
  }

 private:
  /// Two neighbouring voxels fill a cache line, which the processor collects before it writes it past the caches.
  static bool streams_volume(const VolumeShape& s, const VolumeParts<T>& to) {
    return streams_to(to.first, s.padded_count(), kStreamedResultBytes) &&
           streams_to(to.second, s.padded_count(), kStreamedResultBytes);
  }
  struct Piece {
    const float* from;
    T* first;
    T* second;
    std::int64_t column;
    std::int64_t count;
  };
  template <bool WithMoments> VOX_TILE void write(const Piece& p, bool relu) {
    // channels that do not exist become zero
    const std::int64_t channels = std::min(c_.out.c - p.column * kAmxColumns, kAmxColumns);
    const auto present = static_cast<__mmask16>((1U << static_cast<unsigned>(channels)) - 1U);
    T* const second = p.second;
    const auto value = [&](std::int64_t v) VOX_INLINED {
      const __m512 sums = _mm512_maskz_loadu_ps(present, p.from + v * kAmxColumns);
      return relu ? _mm512_max_ps(_mm512_setzero_ps(), sums) : sums;  // of two operands, one NaN, max is the second
    };
    if constexpr (!WithMoments) {
      for (std::int64_t v = 0; v < p.count; ++v) {
        store16(value(v), p.first + v * kBlock8, second != nullptr ? second + v * kBlock8 : nullptr, streams_);
      }
    } else {
      AmxMoments& m = moments_[p.column - first_column_];
      if (!m.begun) { m.begin(p.count, value); }
      const __m512 about = _mm512_load_ps(m.about);
      __m512 sum = _mm512_setzero_ps();
      __m512 square = _mm512_setzero_ps();
      for (std::int64_t v = 0; v < p.count; ++v) {
        const __m512 stored =
            store16(value(v), p.first + v * kBlock8, second != nullptr ? second + v * kBlock8 : nullptr, streams_);
        const __m512 distance = _mm512_sub_ps(stored, about);
        sum = _mm512_add_ps(sum, distance);
        square = _mm512_fmadd_ps(distance, distance, square);
      }
      m.add(sum, square);
    }
  }

  const AmxConv& c_;
  VolumeParts<T> out_;
  Conv3dEpilogue epilogue_;
  bool streams_;
  AmxBox box_{};
  std::int64_t first_column_ = 0;
  std::int64_t columns_ = 0;
  AmxMoments moments_[kAmxSinkColumns];
  Piece pieces_[4 * kAmxRows];  ///< of four tiles, whose rows may hold as little as a voxel each
  std::int64_t next_ = 0;
  std::int64_t end_ = 0;
};

}  // namespace
}  // namespace vox
