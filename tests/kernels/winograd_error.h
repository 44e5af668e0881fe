#pragma once

#include "kernels/plan/winograd.h"

namespace vox::test {

/// How much larger a rounding error gets on its way through Winograd's transforms than in a direct sum, in the mean
/// square: from the matrices alone. About 19 for tiles of 4^3 outputs, 4 for 2^3.
[[nodiscard]] double winograd_amplification(std::int64_t m);
[[nodiscard]] double winograd_amplification(const Conv3dGeometry&, Conv3dPass);

}  // namespace vox::test
