#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "kernels/base/philox.h"

namespace vox {

// Which use of random numbers draws, as RandomKey::place: far from the network's layers, which count from 0.
inline constexpr std::uint32_t kPlaceOrder = 0xDA7A0000U;
inline constexpr std::uint32_t kPlaceFolds = 0xDA7A0001U;
inline constexpr std::uint32_t kPlaceAugment = 0xDA7A0002U;
inline constexpr std::uint32_t kPlaceIntensity = 0xDA7A0003U;
inline constexpr std::uint32_t kPlaceNoise = 0xDA7A0004U;
inline constexpr std::uint32_t kPlacePatch = 0xDA7A0006U;  // 5: data/prepare/foreground.cpp
inline constexpr std::uint32_t kPlaceNnunet = 0xDA7A0007U;
inline constexpr std::uint32_t kPlaceElastic = 0xDA7A0008U;

/// 0..count-1 in random order (Fisher and Yates), a function of count and key alone.
[[nodiscard]] inline std::vector<std::size_t> shuffled(std::size_t count, const RandomKey& key) {
  std::vector<std::size_t> order(count);
  for (std::size_t i = 0; i < count; ++i) { order[i] = i; }
  for (std::size_t i = count; i > 1; --i) {
    const Philox4 bits = random4(key, i);
    const auto j = static_cast<std::size_t>(unit(bits.v[0]) * static_cast<double>(i));
    std::swap(order[i - 1], order[j]);
  }
  return order;
}

}  // namespace vox
