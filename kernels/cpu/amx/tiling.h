#pragma once

#include <algorithm>

#include "kernels/cpu/amx/sink.h"

namespace vox {
namespace {

/// How the positions of a plane of a box become tiles: row by row, or all rows in one where that takes fewer. Tiles are
/// numbered down the rows of a strip that is `across` tiles wide, then of the next: so rows of A stay in L1.
struct Tiling {
  Tiling(const AmxConv& c, std::int64_t box_rows, std::int64_t across)
      : per_row((c.out.w + kAmxRows - 1) / kAmxRows),
        strip(std::min(across, per_row)),
        rows(box_rows),
        width(c.out.w),
        pitch(c.pitch),
        flat(box_rows * c.pitch - 2) {
    count = rows * per_row;
    by_row = count <= (flat + kAmxRows - 1) / kAmxRows;
    if (!by_row) { count = (flat + kAmxRows - 1) / kAmxRows; }
  }
  [[nodiscard]] Run run(std::int64_t i) const {
    if (!by_row) { return {i * kAmxRows, std::min(kAmxRows, flat - i * kAmxRows)}; }
    const std::int64_t first = i / (strip * rows) * strip;  // tile of a row the strip begins with
    const std::int64_t wide = std::min(strip, per_row - first);
    const std::int64_t in_strip = i - first * rows;
    const std::int64_t w = (first + in_strip % wide) * kAmxRows;
    return {in_strip / wide * pitch + w, std::min(kAmxRows, width - w)};
  }
  std::int64_t per_row;
  std::int64_t strip;
  std::int64_t rows;
  std::int64_t width;
  std::int64_t pitch;
  std::int64_t flat;
  std::int64_t count;
  bool by_row;
};

}  // namespace
}  // namespace vox
