#include "tests/engine/op_case.h"

namespace vox::test {
namespace {

OpCase at(const Shape& x, double slope) {
  return {.op = Op::leaky_relu,
          .label = "leaky_relu " + x.str(),
          .inputs = {{.shape = x, .make = make_nonzero}},
          .apply = [slope](const auto& in) { return leaky_relu(in[0], slope); },
          .reference =
              [slope](const auto& in) {
                Values y = in[0];
                for (double& v : y) { v = v > 0 ? v : slope * v; }
                return y;
              },
          .grad_terms = 1};
}

void slope_negative() { static_cast<void>(leaky_relu(Tensor::zeros({3}, DType::f32), -0.5)); }

const Register kCases({at({1, 1, 1, 1, 1}, 0.01), at({2, 3, 4, 5, 6}, 0.25), at({1, 33, 1, 1, 3}, 1.5),
                       at({1, 5, 3, 1, 1}, 0)},
                      {{"slope negative", slope_negative, "leaky_relu: negative_slope is -0.5, wants 0 or more"}});

}  // namespace
}  // namespace vox::test
