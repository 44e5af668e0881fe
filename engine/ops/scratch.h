#pragma once

#include "engine/tensor.h"

namespace vox {

/// Memory a convolution kernel works in: this many elements of the accumulator type of x, on x's device.
[[nodiscard]] Tensor scratch_for(const Tensor& x, std::int64_t elements);

/// The gradient of a bias: the sum of dy over cases and voxels. [C], accumulator type
[[nodiscard]] Tensor channel_sums(const Tensor& dy);

}  // namespace vox
