#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>

namespace vox {

/// exp(x) for x <= 0, NaN for NaN; 0 below the smallest normal number. Branch-free, so that loops over it vectorise;
/// within 2 units in the last place. S. Moshier's polynomial for expf (Cephes library).
[[gnu::always_inline]] inline float exp_nonpositive(float x) {
  constexpr float kRound = 0x1.8p23F;  // adding it rounds to an integer, which then stands in the low bits
  constexpr float kLowest = -87.3365F;
  const float shifted = std::max(x, kLowest) * 1.44269504F + kRound;
  const float n = shifted - kRound;
  const float r = (x - n * 0.693359375F) - n * -2.12194440e-4F;  // ln 2 in two parts
  float p = 1.9875691500e-4F;
  p = p * r + 1.3981999507e-3F;
  p = p * r + 8.3334519073e-3F;
  p = p * r + 4.1665795894e-2F;
  p = p * r + 1.6666665459e-1F;
  p = p * r + 5.0000001201e-1F;
  p = (p * r * r + r) + 1.0F;
  const float power = std::bit_cast<float>((std::bit_cast<std::uint32_t>(shifted) + 127U) << 23U);
  return x < kLowest ? 0.0F : p * power;
}
inline double exp_nonpositive(double x) { return std::exp(x); }

}  // namespace vox
