#pragma once

#include <cstdint>
#include <span>

#include "kernels/base/philox.h"

namespace vox {

/// Standard normal numbers (kernels/base/normal.h): out[4g .. 4g+3] are those of Philox group first_group + g.
void gaussian(const RandomKey&, std::uint64_t first_group, std::span<float> out);

}  // namespace vox
