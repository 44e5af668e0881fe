#pragma once

#include <array>
#include <cstdint>

#include "kernels/base/host_device.h"

namespace vox {

/// Names a stream of random numbers. The same key gives the same numbers on every device, whatever ran before.
struct RandomKey {
  std::uint64_t seed = 0;    ///< of the run
  std::uint32_t step = 0;    ///< training step, or epoch for data
  std::uint32_t place = 0;   ///< which layer or which use draws
  std::uint64_t before = 0;  ///< groups of four numbers that are left out: of the cases before a share of a batch
};

struct Philox4 {
  std::uint32_t v[4];
};

/// Philox4x32-10 of J. Salmon, M. Moraes, R. Dror, D. Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011.
VOX_HD constexpr Philox4 philox4x32(Philox4 counter, std::uint32_t key0, std::uint32_t key1) {
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t a = std::uint64_t{0xD2511F53U} * counter.v[0];
    const std::uint64_t b = std::uint64_t{0xCD9E8D57U} * counter.v[2];
    counter = {{static_cast<std::uint32_t>(b >> 32U) ^ counter.v[1] ^ key0, static_cast<std::uint32_t>(b),
                static_cast<std::uint32_t>(a >> 32U) ^ counter.v[3] ^ key1, static_cast<std::uint32_t>(a)}};
    key0 += 0x9E3779B9U;
    key1 += 0xBB67AE85U;
  }
  return counter;
}

/// Numbers 4*g .. 4*g+3 of a stream, g = before + group: counter = (g low, g high, step, place), key = seed.
VOX_HD constexpr Philox4 random4(const RandomKey& key, std::uint64_t group) {
  group += key.before;
  return philox4x32(
      {{static_cast<std::uint32_t>(group), static_cast<std::uint32_t>(group >> 32U), key.step, key.place}},
      static_cast<std::uint32_t>(key.seed), static_cast<std::uint32_t>(key.seed >> 32U));
}

/// Uniform in [0,1) with 32 bits.
VOX_HD constexpr double unit(std::uint32_t bits) { return static_cast<double>(bits) * 0x1p-32; }

}  // namespace vox
