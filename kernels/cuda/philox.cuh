#pragma once

#include <cstdint>

#include "kernels/base/philox.h"
#include "kernels/cuda/gpu.h"

namespace vox::gpu {

/// A RandomKey with the keys of all rounds, which are the same for every thread: from a kernel's parameters they cost
/// no instruction.
struct PhiloxKeys {
  static constexpr int kRounds = 10;
  const std::uint32_t* step_there;  ///< null: `step` it is
  std::uint32_t step;
  std::uint32_t place;
  std::uint64_t before;
  std::uint32_t round[kRounds][2];

  /// The step, for random4(): a kernel reads it once, behind wait_for_launches_before().
  __device__ __forceinline__ std::uint32_t step_now() const { return step_there != nullptr ? *step_there : step; }
  /// What vox::random4 gives for the key with this step.
  __device__ __forceinline__ Philox4 random4(std::uint64_t group, std::uint32_t of_step) const {
    group += before;
    Philox4 c{{static_cast<std::uint32_t>(group), static_cast<std::uint32_t>(group >> 32U), of_step, place}};
    VOX_UNROLL
    for (int r = 0; r < kRounds; ++r) {
      const std::uint64_t a = std::uint64_t{0xD2511F53U} * c.v[0];
      const std::uint64_t b = std::uint64_t{0xCD9E8D57U} * c.v[2];
      c = {{static_cast<std::uint32_t>(b >> 32U) ^ c.v[1] ^ round[r][0], static_cast<std::uint32_t>(b),
            static_cast<std::uint32_t>(a >> 32U) ^ c.v[3] ^ round[r][1], static_cast<std::uint32_t>(a)}};
    }
    return c;
  }
};

/// step_there: device memory that holds the step when the kernel runs, or null: it is the key's.
[[nodiscard]] inline PhiloxKeys philox_keys(const RandomKey& key, const std::uint32_t* step_there = nullptr) {
  PhiloxKeys keys{.step_there = step_there, .step = key.step, .place = key.place, .before = key.before, .round = {}};
  auto key0 = static_cast<std::uint32_t>(key.seed);
  auto key1 = static_cast<std::uint32_t>(key.seed >> 32U);
  for (auto& round : keys.round) {
    round[0] = key0;
    round[1] = key1;
    key0 += 0x9E3779B9U;
    key1 += 0xBB67AE85U;
  }
  return keys;
}

}  // namespace vox::gpu
