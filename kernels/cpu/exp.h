#pragma once

#include <cmath>
#include <cstdint>

#include "kernels/cpu/lanes.h"

namespace vox {
namespace {

/// v = exp(v) for v <= 0, lane by lane, NaN for NaN; 0 below the smallest normal number. Within 2 units in the last
/// place. S. Moshier's polynomial for expf (Cephes library).
[[gnu::always_inline]] inline void exp_nonpositive(Lanes<float>& v) {
  constexpr float kRound = 0x1.8p23F;  // adding it rounds to an integer, which then stands in the low bits
  const Lanes<float> lowest = Lanes<float>{} - 87.3365F;
  const Lanes<float> x = v < lowest ? lowest : v;
  const Lanes<float> shifted = x * 1.44269504F + kRound;
  const Lanes<float> n = shifted - kRound;
  const Lanes<float> r = (x - n * 0.693359375F) - n * -2.12194440e-4F;  // ln 2 in two parts
  Lanes<float> p = 1.9875691500e-4F * r + 1.3981999507e-3F;
  p = p * r + 8.3334519073e-3F;
  p = p * r + 4.1665795894e-2F;
  p = p * r + 1.6666665459e-1F;
  p = p * r + 5.0000001201e-1F;
  p = (p * r * r + r) + 1.0F;
  Lanes<std::uint32_t> bits;
  __builtin_memcpy(&bits, &shifted, sizeof bits);
  bits = (bits + 127U) << 23U;  // 2^n
  Lanes<float> power;
  __builtin_memcpy(&power, &bits, sizeof power);
  v = v < lowest ? Lanes<float>{} : p * power;
}

/// f64 is for truth, not for speed.
[[gnu::always_inline]] inline void exp_nonpositive(Lanes<double>& v) {
  for (std::int64_t c = 0; c < kBlock8; ++c) { v[c] = std::exp(v[c]); }
}

}  // namespace
}  // namespace vox
