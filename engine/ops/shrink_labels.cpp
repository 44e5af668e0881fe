#include "kernels/shrink_labels.h"

#include <bit>

#include "engine/dispatch.h"
#include "engine/ops.h"
#include "engine/tensor_body.h"
#include "kernels/base/check.h"

namespace vox {

Tensor shrink_labels(const Tensor& labels, std::int64_t factor) {
  const Shape& s = labels.shape();
  VOX_CHECK(labels.dtype() == DType::u8 && labels.layout() == Layout::plain && s.rank() == 4,
            "shrink_labels: labels is {} {} {}, wants plain u8 [N,D,H,W]", s.str(), name(labels.dtype()),
            name(labels.layout()));
  VOX_CHECK(factor >= 2 && std::has_single_bit(static_cast<std::uint64_t>(factor)),
            "shrink_labels: factor is {}, wants a power of two, 2 or more", factor);
  VOX_CHECK(s[1] % factor == 0 && s[2] % factor == 0 && s[3] % factor == 0,
            "shrink_labels: labels is {}, wants D, H and W divisible by {}", s.str(), factor);
  const VolumeShape small{.n = s[0], .c = 1, .d = s[1] / factor, .h = s[2] / factor, .w = s[3] / factor};
  Tensor y({small.n, small.d, small.h, small.w}, DType::u8, labels.device());
  dispatch_device(labels.device(), [&](auto& queue) {
    shrink_labels(queue, ShrinkLabelsArgs<std::uint8_t>{.shape = small,
                                                        .factor = factor,
                                                        .x = labels.values<std::uint8_t>(),
                                                        .y = y.mutable_values<std::uint8_t>()});
  });
  y.body().largest_label = labels.body().largest_label;
  return y;
}

}  // namespace vox
