#pragma once

#include <span>
#include <string>

#include "engine/types.h"

namespace vox::test {

/// What the factors of a product lose. halves: AMX multiplies f32 as two bf16 halves each, 16 bits of mantissa.
enum class Products : std::uint8_t { whole, halves };

/// Largest error a correct kernel may make on a value of size scale that sums so many terms.
[[nodiscard]] double tolerance(DType, std::int64_t terms, double scale, Products = Products::whole);

/// Empty when every value is close. Anything that is not provably close is a mismatch: NaN fails, on either side, and
/// infinity is close to itself alone. What is allowed goes by the largest finite value that is wanted.
[[nodiscard]] std::string first_mismatch(std::span<const double> got, std::span<const double> want, DType,
                                         std::int64_t terms, double conditioning = 1, Products = Products::whole);

/// Largest difference as a part of the largest finite value that is wanted, or the difference where that is 0. Infinite
/// for a wrong length, for no values, for NaN on either side, and for an infinity that the other side has not: so that
/// neither std::max() nor a comparison loses it.
[[nodiscard]] double relative_error(std::span<const double> got, std::span<const double> want);

}  // namespace vox::test
