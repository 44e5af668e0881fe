#include <algorithm>

#include "tests/engine/op_case.h"

namespace vox::test {
namespace {

/// Pooled once, or twice and added: then the second gradient goes on top of the first.
OpCase at(const Shape& x, int times = 1) {
  return {.op = Op::max_pool3d,
          .label = "max_pool3d " + x.str() + (times == 2 ? " twice" : ""),
          .inputs = {{.shape = x, .make = make_distinct}},
          .apply =
              [times](const auto& in) {
                const Tensor y = max_pool3d(in[0]);
                return times == 2 ? add(y, max_pool3d(in[0])) : y;
              },
          .reference =
              [x, times](const auto& in) {
                Values y;
                for (std::int64_t i = 0; i < x[0] * x[1]; ++i) {
                  for (std::int64_t d = 0; d + 1 < x[2]; d += 2) {
                    for (std::int64_t h = 0; h + 1 < x[3]; h += 2) {
                      for (std::int64_t w = 0; w + 1 < x[4]; w += 2) {
                        double best = -1e300;
                        for (std::int64_t k = 0; k < 8; ++k) {
                          const std::int64_t voxel = ((d + k / 4) * x[3] + h + k / 2 % 2) * x[4] + w + k % 2;
                          best = std::max(best, in[0][static_cast<std::size_t>(i * x.voxels() + voxel)]);
                        }
                        y.push_back(times * best);
                      }
                    }
                  }
                }
                return y;
              },
          .grad_terms = 1};
}

void too_thin() {
  static_cast<void>(max_pool3d(Tensor::zeros({1, 3, 1, 4, 4}, DType::f32, Device::cpu, Layout::blocked)));
}

const Register kCases({at({1, 1, 2, 2, 2}), at({2, 3, 4, 5, 6}), at({1, 12, 3, 2, 5}), at({1, 5, 5, 7, 3}),
                       at({1, 33, 2, 2, 2}), at({2, 3, 4, 5, 6}, 2)},
                      {{"one plane", too_thin,
                        "max_pool3d: x is 1x3x1x4x4, wants at least 2 voxels along D, H and W"}});

}  // namespace
}  // namespace vox::test
