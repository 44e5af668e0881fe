#pragma once

#include <bit>
#include <cstdint>

#include "kernels/base/normal.h"

namespace vox {

/// e^x for x in [-87, 0]: a power of two times a Taylor series, within 3e-7 of the exact one relative to it.
[[nodiscard]] inline float exponential(float x) {
  const float scaled = product(x, 1.44269504F);
  const auto n = static_cast<std::int32_t>(scaled - 0.5F);  // to nearest, since it is not positive
  const auto whole = static_cast<float>(n);
  const float r = (x - product(whole, 0.693359375F)) - product(whole, -2.12194440e-4F);  // ln 2 in two parts
  float series = 1.0F / 720 + product(r, 1.0F / 5040);
  series = 1.0F / 120 + product(r, series);
  series = 1.0F / 24 + product(r, series);
  series = 1.0F / 6 + product(r, series);
  series = 0.5F + product(r, series);
  series = 1.0F + product(r, series);
  series = 1.0F + product(r, series);
  return product(series, std::bit_cast<float>((n + 127) << 23));
}

/// x^g for x in [0,1] and g in (0,10], in arithmetic that a compiler vectorises: within 2e-6 of the exact one.
[[nodiscard]] inline float power(float x, float g) {
  constexpr float kLeast = 1e-37F;  // below it, and where the result is below e^-87, 0
  const float exponent = product(g, logarithm(x < kLeast ? kLeast : x));
  const float result = exponential(exponent < -87.0F ? -87.0F : exponent);
  return x < kLeast || exponent < -87.0F ? 0.0F : result;
}

}  // namespace vox
