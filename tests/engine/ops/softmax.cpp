#include <cmath>

#include "tests/engine/op_case.h"

namespace vox::test {
namespace {

OpCase at(const Shape& x) {
  return {.op = Op::softmax,
          .label = "softmax " + x.str(),
          .inputs = {{.shape = x}},
          .apply = [](const auto& in) { return softmax(in[0]); },
          .reference =
              [x](const auto& in) {
                Values y = in[0];
                for (std::int64_t n = 0; n < x[0]; ++n) {
                  for (std::int64_t v = 0; v < x.voxels(); ++v) {
                    double sum = 0;
                    const auto at_channel = [&](std::int64_t c) -> double& {
                      return y[static_cast<std::size_t>((n * x[1] + c) * x.voxels() + v)];
                    };
                    for (std::int64_t c = 0; c < x[1]; ++c) { sum += std::exp(at_channel(c)); }
                    for (std::int64_t c = 0; c < x[1]; ++c) { at_channel(c) = std::exp(at_channel(c)) / sum; }
                  }
                }
                return y;
              },
          .terms = x[1] + 8,  // the polynomial of exp
          .grad_terms = 2 * x[1] + 16,
          .conditioning = x[1] == 1 ? 64.0 : 4.0};  // of one channel the gradient is a difference that cancels
}

void labels_for_logits() { static_cast<void>(softmax(Tensor::zeros({1, 3, 2, 2, 2}, DType::u8))); }

const Register kCases(
    {at({1, 1, 1, 1, 1}), at({2, 4, 3, 4, 5}), at({1, 3, 1, 1, 7}), at({1, 12, 1, 3, 2}), at({1, 33, 1, 1, 3}),
     at({1, 8, 2, 2, 2}), at({2, 8, 3, 3, 5}), at({1, 6, 2, 4, 4}), at({1, 3, 3, 3, 3})},
    {{"bytes", labels_for_logits, "softmax: x is 1x3x2x2x2 u8 plain on cpu, wants a blocked volume [N,C,D,H,W]"}});

}  // namespace
}  // namespace vox::test
