#pragma once

#include <bit>
#include <cmath>
#include <cstdint>

#include "kernels/base/host_device.h"
#include "kernels/base/product.h"

/// Standard normal numbers by Box and Muller's transform ("A note on the generation of random normal deviates", 1958),
/// in plain float arithmetic that a compiler vectorises, with the same bits on a CPU and on a GPU. Logarithm and circle
/// are within 1e-6 of the exact ones, and no number exceeds 5.8.
namespace vox {

/// ln(u) for a normal u in (0,1]: the exponent times ln 2, plus 2 artanh((m-1)/(m+1)) of the mantissa m in
/// [sqrt(1/2), sqrt(2)), whose series is cut where it falls below the last bit.
VOX_HD inline float logarithm(float u) {
  constexpr std::uint32_t kRootHalf = 0x3F3504F3U;
  const std::uint32_t shifted = std::bit_cast<std::uint32_t>(u) - kRootHalf;
  const auto exponent = static_cast<float>(static_cast<std::int32_t>(shifted) >> 23);
  const float m = std::bit_cast<float>((shifted & 0x007FFFFFU) + kRootHalf);
  const float s = (m - 1.0F) / (m + 1.0F);
  const float q = product(s, s);
  float series = 2.0F / 7 + product(q, 2.0F / 9);
  series = 2.0F / 5 + product(q, series);
  series = 2.0F / 3 + product(q, series);
  series = 2.0F + product(q, series);
  return product(exponent, 0.693147181F) + product(s, series);
}

struct NormalPair {
  float cosine;  ///< the first number of the two
  float sine;    ///< the second
};

/// The point of the unit circle at angle 2 pi bits / 2^32: an eighth turn either side of one of four axes, by Taylor.
VOX_HD inline NormalPair circle(std::uint32_t bits) {
  const std::uint32_t quarter = (bits + 0x20000000U) >> 30U;
  const auto rest = static_cast<std::int32_t>(bits - (quarter << 30U));
  const float x = product(static_cast<float>(rest), 6.28318531F * 0x1p-32F);
  const float q = product(x, x);
  const float odd = -1.0F / 6 + product(q, 1.0F / 120 - product(q, 1.0F / 5040));
  const float even = 1.0F / 24 + product(q, -1.0F / 720 + product(q, 1.0F / 40320));
  const float s = product(x, 1.0F + product(q, odd));
  const float c = 1.0F + product(q, -1.0F / 2 + product(q, even));
  const bool swap = (quarter & 1U) != 0;
  const float a = swap ? s : c;
  const float b = swap ? c : s;
  return {.cosine = (quarter == 1 || quarter == 2) ? -a : a, .sine = quarter >= 2 ? -b : b};
}

/// Two numbers of two times 32 random bits.
VOX_HD inline NormalPair normal_pair(std::uint32_t radius_bits, std::uint32_t angle_bits) {
  // 24 bits and never 0: exact in float, (0,1]. Converted as a signed number, which every instruction set has.
  const float u = product(static_cast<float>(static_cast<std::int32_t>((radius_bits >> 8U) + 1U)), 0x1p-24F);
  const float square = product(-2.0F, logarithm(u));
  const float radius = std::sqrt(square > 0.0F ? square : 0.0F);
  const NormalPair point = circle(angle_bits);
  return {.cosine = product(radius, point.cosine), .sine = product(radius, point.sine)};
}

}  // namespace vox
