#pragma once

#include <cstdint>
#include <span>

#include "kernels/base/philox.h"

namespace vox {

/// Standard normal numbers: out[4g .. 4g+3] are those of Philox group first_group + g, by Box and Muller's transform
/// ("A note on the generation of random normal deviates", 1958). Written in plain float arithmetic that the compiler
/// vectorises; logarithm and circle are within 1e-6 of the exact ones, and |out| < 5.8.
void gaussian(const RandomKey&, std::uint64_t first_group, std::span<float> out);

}  // namespace vox
