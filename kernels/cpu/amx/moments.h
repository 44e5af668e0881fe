#pragma once

#include "kernels/cpu/amx/tiles.h"

namespace vox {
namespace {

/// Sums over the voxels of a box, for sixteen channels: of the distances from `about`, the mean of the first few
/// voxels, and of their squares.
struct alignas(64) AmxMoments {
  float about[kAmxColumns] = {};
  double sum[kAmxColumns] = {};
  double square[kAmxColumns] = {};
  bool begun = false;

  /// value(v): voxel v of the first ones.
  template <class Value> void begin(std::int64_t count, const Value& value) {
    __m512 total = _mm512_setzero_ps();
    for (std::int64_t v = 0; v < count; ++v) { total = _mm512_add_ps(total, value(v)); }
    _mm512_store_ps(about, _mm512_div_ps(total, _mm512_set1_ps(static_cast<float>(count))));
    begun = true;
  }
  /// Of a few voxels.
  VOX_INLINED void add(__m512 distances, __m512 squares) {
    add_to(sum, distances);
    add_to(square, squares);
  }

 private:
  VOX_INLINED static void add_to(double* to, __m512 v) {
    _mm512_storeu_pd(to, _mm512_add_pd(_mm512_loadu_pd(to), _mm512_cvtps_pd(_mm512_castps512_ps256(v))));
    to += kBlock8;
    _mm512_storeu_pd(to, _mm512_add_pd(_mm512_loadu_pd(to), _mm512_cvtps_pd(_mm512_extractf32x8_ps(v, 1))));
  }
};

}  // namespace
}  // namespace vox
