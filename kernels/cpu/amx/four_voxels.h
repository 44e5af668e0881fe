#pragma once

#include "kernels/cpu/amx/stage_pairs.h"

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

}  // namespace
}  // namespace vox
