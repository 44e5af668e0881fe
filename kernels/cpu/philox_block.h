#pragma once

#include <cstdint>

#include "kernels/philox.h"

namespace vox {

inline constexpr int kPhiloxGroups = 16;                  // one AVX-512 register of 32-bit words
inline constexpr int kPhiloxNumbers = 4 * kPhiloxGroups;  // random numbers of one block

/// random4() for kPhiloxGroups consecutive groups at once, lane by lane, so that every step is a vector operation.
/// out[4 * i + k] is number k of group first_group + i.
[[gnu::always_inline]] inline void philox_block(const RandomKey& key, std::uint64_t first_group,
                                                std::uint32_t (&out)[kPhiloxNumbers]) {
  std::uint32_t a[kPhiloxGroups];
  std::uint32_t b[kPhiloxGroups];
  std::uint32_t c[kPhiloxGroups];
  std::uint32_t d[kPhiloxGroups];
  for (unsigned i = 0; i < kPhiloxGroups; ++i) {
    const std::uint64_t group = first_group + i;
    a[i] = static_cast<std::uint32_t>(group);
    b[i] = static_cast<std::uint32_t>(group >> 32U);
    c[i] = key.step;
    d[i] = key.place;
  }
  auto key0 = static_cast<std::uint32_t>(key.seed);
  auto key1 = static_cast<std::uint32_t>(key.seed >> 32U);
  for (int round = 0; round < 10; ++round) {
    for (int i = 0; i < kPhiloxGroups; ++i) {
      const std::uint64_t left = std::uint64_t{0xD2511F53U} * a[i];
      const std::uint64_t right = std::uint64_t{0xCD9E8D57U} * c[i];
      a[i] = static_cast<std::uint32_t>(right >> 32U) ^ b[i] ^ key0;
      c[i] = static_cast<std::uint32_t>(left >> 32U) ^ d[i] ^ key1;
      b[i] = static_cast<std::uint32_t>(right);
      d[i] = static_cast<std::uint32_t>(left);
    }
    key0 += 0x9E3779B9U;
    key1 += 0xBB67AE85U;
  }
  for (int i = 0; i < kPhiloxGroups; ++i) {
    out[4 * i] = a[i];
    out[4 * i + 1] = b[i];
    out[4 * i + 2] = c[i];
    out[4 * i + 3] = d[i];
  }
}

}  // namespace vox
