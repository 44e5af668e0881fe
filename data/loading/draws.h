#pragma once

#include <cstdint>

#include "data/loading/augment.h"
#include "kernels/base/philox.h"

namespace vox {

/// Of a sample's numbers in each stream that it draws from.
[[nodiscard]] inline std::uint64_t first_group(const SampleKey& key) { return std::uint64_t{key.position} << 32U; }

/// Draws `first`, `first` + 1, ... of a sample, four from each Philox group: a draw keeps its number whatever the
/// others are for.
class Draws {
 public:
  Draws(const SampleKey& key, std::uint32_t place, std::uint64_t first = 0)
      : key_{.seed = key.seed, .step = key.epoch, .place = place}, base_(first_group(key)), next_(first) {}

  [[nodiscard]] double uniform() {
    const std::uint64_t n = next_++;
    return unit(random4(key_, base_ + n / 4).v[n % 4]);
  }
  [[nodiscard]] bool happens(double probability) { return uniform() < probability; }
  [[nodiscard]] double within(double magnitude) { return (2 * uniform() - 1) * magnitude; }
  [[nodiscard]] double between(double low, double high) { return low + (high - low) * uniform(); }

 private:
  RandomKey key_;
  std::uint64_t base_;
  std::uint64_t next_;
};

}  // namespace vox
