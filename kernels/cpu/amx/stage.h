#pragma once

#include <algorithm>

#include "kernels/base/volume_parts.h"
#include "kernels/cpu/amx/tiles.h"

// The rows a box of outputs reads, with their halo, as bf16: [halves apart][groups][depth+2][height+2][pitch][unit].

namespace vox {
namespace {

/// Sixteen channels of one voxel, from two blocks; one that does not exist is null and gives zeros.
VOX_INLINED inline __m512 load16(const float* first, const float* second, std::int64_t at) {
  const __m256 low = first != nullptr ? _mm256_loadu_ps(first + at) : _mm256_setzero_ps();
  const __m256 high = second != nullptr ? _mm256_loadu_ps(second + at) : _mm256_setzero_ps();
  return _mm512_insertf32x8(_mm512_castps256_ps512(low), high, 1);
}
VOX_INLINED inline __m256i load16(const Bf16* first, const Bf16* second, std::int64_t at) {
  const auto block = [&](const Bf16* p) VOX_INLINED {
    return p != nullptr ? _mm_loadu_si128(reinterpret_cast<const __m128i*>(p + at)) : _mm_setzero_si128();
  };
  return _mm256_inserti128_si256(_mm256_castsi128_si256(block(first)), block(second), 1);
}

VOX_INLINED inline void store256(Bf16* to, __m256i v) { _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), v); }
VOX_INLINED inline void store512(Bf16* to, __m512i v) { _mm512_storeu_si512(to, v); }

/// One voxel of a group of 16 or 32 channels, `from` its blocks.
template <class T>
VOX_INLINED inline void stage_voxel(const AmxConv& c, const T* const* from, std::int64_t at, Bf16* to) {
  if constexpr (std::is_same_v<T, float>) {
    const Halves first = halves(load16(from[0], from[1], at));
    if (c.halves_apart == 1) { return store512(to, joined(first.high, first.low)); }
    const Halves second = halves(load16(from[2], from[3], at));
    store512(to, joined(first.high, second.high));
    store512(to + c.half(), joined(first.low, second.low));
  } else {
    store256(to, load16(from[0], from[1], at));
    if (c.channels == 32) { store256(to + 16, load16(from[2], from[3], at)); }
  }
}

/// One voxel of a group of 4 or 8 channels.
template <class T> VOX_INLINED inline void stage_narrow(const AmxConv& c, const T* from, Bf16* to) {
  if constexpr (std::is_same_v<T, float>) {
    const Halves h = halves(_mm512_castps256_ps512(_mm256_loadu_ps(from)));
    const __m128i high = _mm256_castsi256_si128(h.high);
    const __m128i low = _mm256_castsi256_si128(h.low);
    if (c.channels == 8) {
      store256(to, _mm256_inserti128_si256(_mm256_castsi128_si256(high), low, 1));
    } else {
      _mm_storeu_si128(reinterpret_cast<__m128i*>(to), _mm_unpacklo_epi64(high, low));
    }
  } else {
    __builtin_memcpy(to, from, static_cast<std::size_t>(c.channels) * sizeof(Bf16));
  }
}

inline void clear(Bf16* to, std::int64_t count) {
  __builtin_memset(static_cast<void*>(to), 0, static_cast<std::size_t>(count) * sizeof(Bf16));
}

/// Positions [begin,end) of a row of a group, which starts at `to`; `row` is where row 0 of block 0 … 3 of the group
/// starts, null for a block that does not exist.
template <class T>
VOX_TILE void stage_positions(const AmxConv& c, const T* const* row, std::int64_t begin, std::int64_t end, Bf16* to) {
  const std::int64_t first = std::clamp<std::int64_t>(-c.delta_min, begin, end);
  const std::int64_t last = std::clamp<std::int64_t>(c.in.w - c.delta_min, first, end);
  for (std::int64_t half = 0; half < c.halves_apart && (first > begin || last < end); ++half) {
    clear(to + half * c.half() + begin * c.unit, (first - begin) * c.unit);
    clear(to + half * c.half() + last * c.unit, (end - last) * c.unit);
  }
  std::int64_t at = (first + c.delta_min) * kBlock8;
  for (std::int64_t p = first; p < last; ++p, at += kBlock8) {
    if (c.channels >= 16) {
      stage_voxel(c, row, at, to + p * c.unit);
    } else {
      stage_narrow(c, row[0] + at, to + p * c.unit);
    }
  }
}

/// A box of outputs of one case.
struct AmxBox {
  std::int64_t n;
  std::int64_t d_begin;
  std::int64_t d_end;
  std::int64_t h_begin;
  std::int64_t h_end;
};
/// Box i, planes innermost.
inline AmxBox amx_box(const AmxBoxes& b, const VolumeShape& out, std::int64_t i) {
  const std::int64_t d = i % b.along_d * b.depth;
  const std::int64_t h = i / b.along_d % b.along_h * b.height;
  return {i / b.along_d / b.along_h, d, std::min(d + b.depth, out.d), h, std::min(h + b.height, out.h)};
}

}  // namespace
}  // namespace vox
