#pragma once

#include "kernels/cpu/amx/multiply.h"
#include "kernels/cpu/amx/stage_pairs.h"
#include "kernels/plan/amx_gemm.h"

// Where the windows of one side lie and how sixteen columns of them are read; the list of products of two strips.

namespace vox {
namespace {

constexpr std::int64_t kTile = kAmxRows * kAmxColumns;

/// Sixteen columns of a window: two halves, counted from where the window begins. second < 0: eight columns.
struct Sixteen {
  std::int64_t first;
  std::int64_t second;
  __mmask16 present;  ///< those that are channels
};

/// One side of the product.
struct AmxSide {
  const AmxGemm& plan;
  bool fine;

  [[nodiscard]] const VolumeShape& shape() const { return fine ? plan.gemm.fine : plan.gemm.coarse; }
  [[nodiscard]] Sixteen sixteen(std::int64_t tile) const {
    const VolumeShape& s = shape();
    const auto mask = [&](std::int64_t block) {
      return block < s.blocks() ? (1U << static_cast<unsigned>(s.channels_in(block))) - 1U : 0U;
    };
    if (fine && plan.gemm.kernel == 2) {
      const std::int64_t first = plan.gemm.fine_offset(0, tile);
      const unsigned half = mask(tile % s.blocks());
      return {first, first + kBlock8, static_cast<__mmask16>(half | half << 8U)};
    }
    const std::int64_t block = 2 * tile;
    return {s.offset(0, block, 0), block + 1 < s.blocks() ? s.offset(0, block + 1, 0) : -1,
            static_cast<__mmask16>(mask(block) | mask(block + 1) << 8U)};
  }
  /// Where the windows from `first` of case n on begin.
  void begin_of(std::int64_t n, std::int64_t first, std::int64_t count, std::int64_t* to) const {
    const VolumeShape& coarse = plan.gemm.coarse;
    const VolumeShape& s = shape();
    const std::int64_t kernel = fine ? plan.gemm.kernel : 1;
    for (std::int64_t v = first; v < first + count;) {
      const std::int64_t row = v / coarse.w;
      const std::int64_t voxel = (row / coarse.h * kernel * s.h + row % coarse.h * kernel) * s.w;
      for (std::int64_t w = v % coarse.w; w < coarse.w && v < first + count; ++w, ++v) {
        *to++ = s.offset(n, 0, voxel + w * kernel);
      }
    }
  }
};

/// A chunk of windows of one case, and the next one, which is fetched meanwhile.
struct AmxChunk {
  AmxChunk(const AmxGemm& plan, std::int64_t number) {
    const std::int64_t voxels = plan.gemm.coarse.voxels();
    const std::int64_t per_case = (voxels + plan.chunk - 1) / plan.chunk;
    n = number / per_case;
    first = number % per_case * plan.chunk;
    count = std::min(plan.chunk, voxels - first);
  }
  std::int64_t n;
  std::int64_t first;
  std::int64_t count;
};

template <class T> VOX_INLINED inline auto load_sixteen(const T* from, const Sixteen& s, std::int64_t begin) {
  return load16(from + s.first, s.second >= 0 ? from + s.second : nullptr, begin);
}

/// The products of a strip of A and one of B.
inline Products list_products(const AmxGemm& a, Product* to) {
  std::int64_t count = 0;
  for (std::int64_t step = 0; step < a.steps; ++step) {
    const auto at = static_cast<std::int32_t>(step * a.halves * kAmxTileBytes);
    constexpr auto kLow = static_cast<std::int32_t>(kAmxTileBytes);
    to[count++] = {at, at};
    if (a.halves == 2) {
      to[count++] = {at + kLow, at};
      to[count++] = {at, at + kLow};
    }
  }
  return {to, count, 64};
}
constexpr std::int64_t kMaxGemmProducts = 3 * 256;  // 1024 channels

/// Up to two strips of A by up to two of B: sums as multiply_square() leaves them.
inline void multiply_strips(const AmxGemm& w, const Products& products, const char* a, std::int64_t rows, const char* b,
                            std::int64_t columns, const Sums& sums, std::int64_t next_from) {
  const std::int64_t strip = w.strip_bytes();
  const char* const both[2] = {a, a + strip};
  Nothing nothing;
  if (rows == 2 && columns == 2) {
    w.halves == 2 ? multiply_square<3>(products, both, b, strip, kAmxTileBytes, sums, next_from, nothing)
                  : multiply_square<1>(products, both, b, strip, 0, sums, next_from, nothing);
    return;
  }
  for (std::int64_t n = 0; n < columns; ++n) {
    const Sums of{sums.from + n * next_from, sums.from_row, sums.step, sums.to + n * 2 * kTile};
    w.halves == 2 ? multiply_columns<3>(rows, products, both, b + n * strip, kAmxTileBytes, of, nothing)
                  : multiply_columns<1>(rows, products, both, b + n * strip, 0, of, nothing);
  }
}

}  // namespace
}  // namespace vox
