#pragma once

#include <cstdint>

#include "kernels/base/host_device.h"

namespace vox {

/// a / b rounded up, for a >= 0 and b > 0.
[[nodiscard]] VOX_HD constexpr std::int64_t ceil_div(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }
/// The same for an a of either sign: towards plus infinity, -3 / 2 is -1.
[[nodiscard]] VOX_HD constexpr std::int64_t ceil_div_signed(std::int64_t a, std::int64_t b) {
  return a >= 0 ? ceil_div(a, b) : -(-a / b);
}
/// The least multiple of b that is not below a, for a >= 0 and b > 0.
[[nodiscard]] VOX_HD constexpr std::int64_t round_up(std::int64_t a, std::int64_t b) { return ceil_div(a, b) * b; }

/// Scratch of a worker is a multiple of so many elements, 4 KiB of f32: no two workers write to one page, nor to one
/// cache line.
inline constexpr std::int64_t kPageElements = 1024;

}  // namespace vox
