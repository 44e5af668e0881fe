#include "data/loading/gaussian.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstddef>

namespace vox {
namespace {

constexpr std::size_t kGroups = 64;          // per block: 1 KiB of random bits, all in registers and L1
constexpr std::size_t kPairs = 2 * kGroups;  // of uniform numbers, and of normal ones

struct Block {
  std::array<std::uint32_t, kPairs> radius_bits;
  std::array<std::uint32_t, kPairs> angle_bits;
  std::array<float, kPairs> cosine;
  std::array<float, kPairs> sine;
};

/// ln(u) for a normal u in (0,1]: the exponent times ln 2, plus 2 artanh((m-1)/(m+1)) of the mantissa m in
/// [sqrt(1/2), sqrt(2)), whose series is cut where it falls below the last bit.
inline float logarithm(float u) {
  constexpr std::uint32_t kRootHalf = 0x3F3504F3U;
  const std::uint32_t shifted = std::bit_cast<std::uint32_t>(u) - kRootHalf;
  const auto exponent = static_cast<float>(static_cast<std::int32_t>(shifted) >> 23);
  const float m = std::bit_cast<float>((shifted & 0x007FFFFFU) + kRootHalf);
  const float s = (m - 1.0F) / (m + 1.0F);
  const float q = s * s;
  const float series = 2.0F + q * (2.0F / 3 + q * (2.0F / 5 + q * (2.0F / 7 + q * (2.0F / 9))));
  return exponent * 0.693147181F + s * series;
}

/// The point of the unit circle at angle 2 pi bits / 2^32: an eighth turn either side of one of four axes, by Taylor.
inline void circle(std::uint32_t bits, float& cosine, float& sine) {
  const std::uint32_t quarter = (bits + 0x20000000U) >> 30U;
  const auto rest = static_cast<std::int32_t>(bits - (quarter << 30U));
  const float x = static_cast<float>(rest) * (6.28318531F * 0x1p-32F);
  const float q = x * x;
  const float s = x * (1.0F + q * (-1.0F / 6 + q * (1.0F / 120 - q * (1.0F / 5040))));
  const float c = 1.0F + q * (-1.0F / 2 + q * (1.0F / 24 + q * (-1.0F / 720 + q * (1.0F / 40320))));
  const bool swap = (quarter & 1U) != 0;
  const float a = swap ? s : c;
  const float b = swap ? c : s;
  cosine = (quarter == 1 || quarter == 2) ? -a : a;
  sine = quarter >= 2 ? -b : b;
}

void transform(Block& block) {
  for (std::size_t i = 0; i < kPairs; ++i) {
    // 24 bits and never 0: exact in float, (0,1]. Converted as a signed number, which every instruction set has.
    const float u = static_cast<float>(static_cast<std::int32_t>((block.radius_bits[i] >> 8U) + 1U)) * 0x1p-24F;
    const float square = -2.0F * logarithm(u);
    const float radius = std::sqrt(square > 0.0F ? square : 0.0F);
    float cosine = 0;
    float sine = 0;
    circle(block.angle_bits[i], cosine, sine);
    block.cosine[i] = radius * cosine;
    block.sine[i] = radius * sine;
  }
}

}  // namespace

void gaussian(const RandomKey& key, std::uint64_t first_group, std::span<float> out) {
  Block block{};
  for (std::size_t done = 0; done < out.size(); done += 4 * kGroups) {
    for (std::size_t g = 0; g < kGroups; ++g) {
      const Philox4 bits = random4(key, first_group + done / 4 + g);
      for (std::size_t p = 0; p < 2; ++p) {
        block.radius_bits[2 * g + p] = bits.v[2 * p];
        block.angle_bits[2 * g + p] = bits.v[2 * p + 1];
      }
    }
    transform(block);
    const std::size_t left = std::min(out.size() - done, 4 * kGroups);
    float* const to = out.data() + done;
    for (std::size_t i = 0; i < left / 2; ++i) {
      to[2 * i] = block.cosine[i];
      to[2 * i + 1] = block.sine[i];
    }
    if (left % 2 == 1) { to[left - 1] = block.cosine[left / 2]; }
  }
}

}  // namespace vox
