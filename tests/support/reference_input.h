#pragma once

#include <cstdint>
#include <vector>

#include "kernels/base/philox.h"

namespace vox::test {

/// What image_of() of tests/golden/pytorch_reference.py gives: multiples of 1/1024 in [-2,2).
[[nodiscard]] inline std::vector<double> reference_input(std::int64_t count, std::uint64_t seed) {
  const RandomKey key{.seed = seed};
  std::vector<double> v(static_cast<std::size_t>(count));
  for (std::size_t i = 0; i < v.size(); ++i) {
    v[i] = static_cast<double>(random4(key, i / 4).v[i % 4] >> 20U) / 1024 - 2;
  }
  return v;
}

}  // namespace vox::test
