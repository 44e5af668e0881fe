#pragma once

#include <span>
#include <string>

#include "engine/types.h"

namespace vox::test {

/// Largest error a correct kernel may make on a value of size scale that sums so many terms.
[[nodiscard]] double tolerance(DType, std::int64_t terms, double scale);

/// Empty when every value is close. Anything that is not provably close is a mismatch: NaN fails, on either
/// side.
[[nodiscard]] std::string first_mismatch(std::span<const double> got, std::span<const double> want, DType,
                                         std::int64_t terms, double conditioning = 1);

}  // namespace vox::test
