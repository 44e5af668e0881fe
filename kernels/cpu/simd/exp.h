#pragma once

#include <cmath>
#include <cstdint>

#include "kernels/cpu/simd/lanes.h"

// Functions of vectors of any number of lanes, lane by lane. In f32 S. Moshier's polynomials (Cephes library: expf,
// logf), within 2 units in the last place. f64 is for truth, not for speed.

namespace vox {
namespace {

/// to = the bits of from.
template <class To, class From> [[gnu::always_inline]] inline void copy_bits(const From& from, To& to) {
  static_assert(sizeof to == sizeof from);
  __builtin_memcpy(&to, &from, sizeof to);
}

/// v = f(v) for a function of one lane.
template <class V, class F> [[gnu::always_inline]] inline void each_lane(V& v, const F& f) {
  LaneOf<V> lanes[sizeof(V) / sizeof(LaneOf<V>)];
  copy_bits(v, lanes);
  for (LaneOf<V>& lane : lanes) { lane = f(lane); }
  copy_bits(lanes, v);
}

/// v = exp(v) for v <= 0, NaN for NaN; 0 below the smallest normal number.
template <class V> [[gnu::always_inline]] inline void exp_nonpositive(V& v) {
  if constexpr (sizeof(LaneOf<V>) == sizeof(double)) {
    each_lane(v, [](double x) { return std::exp(x); });
  } else {
    constexpr float kLowest = -87.3365F;
    constexpr float kRound = 0x1.8p23F;  // adding it rounds to an integer, which then stands in the low bits
    const V shifted = v * 1.44269504F + kRound;
    const V n = shifted - kRound;
    const V r = (v - n * 0.693359375F) - n * -2.12194440e-4F;  // ln 2 in two parts
    V p = 1.9875691500e-4F * r + 1.3981999507e-3F;
    p = p * r + 8.3334519073e-3F;
    p = p * r + 4.1665795894e-2F;
    p = p * r + 1.6666665459e-1F;
    p = p * r + 5.0000001201e-1F;
    p = (p * (r * r) + r) + 1.0F;
    Like<V, std::uint32_t> bits;
    copy_bits(shifted, bits);
    bits = (bits << 23U) + 0x3F800000U;  // 2^n
    V power;
    copy_bits(bits, power);
    v = v < kLowest ? V{} : p * power;  // what the lanes below held until here means nothing
  }
}

/// v = log(v) for v > 0 and normal, NaN for NaN.
template <class V> [[gnu::always_inline]] inline void log_positive(V& v) {
  if constexpr (sizeof(LaneOf<V>) == sizeof(double)) {
    each_lane(v, [](double x) { return std::log(x); });
  } else {
    constexpr std::int32_t kRootHalf = 0x3F3504F3;  // the bits of sqrt(1/2)
    Like<V, std::int32_t> bits;
    copy_bits(v, bits);
    bits -= kRootHalf;
    const V n = __builtin_convertvector(bits >> 23, V);
    bits = (bits & 0x7FFFFF) + kRootHalf;
    V x;
    copy_bits(bits, x);  // v = x * 2^n, x in [sqrt(1/2),sqrt(2))
    x -= 1.0F;
    const V square = x * x;
    V p = 7.0376836292e-2F * x - 1.1514610310e-1F;  // two chains of multiply-adds are shorter than one
    p = p * x + 1.1676998740e-1F;
    p = p * x - 1.2420140846e-1F;
    p = p * x + 1.4249322787e-1F;
    V low = 2.0000714765e-1F - 1.6668057665e-1F * x;
    low = low * x - 2.4999993993e-1F;
    low = low * x + 3.3333331174e-1F;
    p = p * (square * square) + low;
    p = p * x * square + n * -2.12194440e-4F;
    p = (p - 0.5F * square) + x + n * 0.693359375F;
    v = v == v ? p : v;  // NOLINT(misc-redundant-expression): NaN stays
  }
}

/// v = log(1 + v) for v in [0,1], NaN for NaN: 2 atanh(s) of s = v / (2 + v) <= 1/3, whose series ends, in f32, where
/// the next term is below 2e-8 of the result.
template <class V> [[gnu::always_inline]] inline void log1p_of_fraction(V& v) {
  if constexpr (sizeof(LaneOf<V>) == sizeof(double)) {
    each_lane(v, [](double x) { return std::log1p(x); });
  } else {
    const V s = v / (v + 2.0F);
    const V square = s * s;
    V p = square * (2.0F / 13) + 2.0F / 11;
    p = p * square + 2.0F / 9;
    p = p * square + 2.0F / 7;
    p = p * square + 2.0F / 5;
    p = p * square + 2.0F / 3;
    v = p * square * s + 2.0F * s;
  }
}

}  // namespace
}  // namespace vox
