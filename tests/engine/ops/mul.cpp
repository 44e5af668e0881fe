#include "tests/engine/op_case.h"

namespace vox::test {
namespace {

OpCase at(const Shape& x, Kind kind) {
  return {.op = Op::mul,
          .label = "mul " + x.str(),
          .inputs = {{.shape = x, .kind = kind}, {.shape = x, .kind = kind}},
          .apply = [](const auto& in) { return mul(in[0], in[1]); },
          .reference =
              [](const auto& in) {
                Values y = in[0];
                for (std::size_t i = 0; i < y.size(); ++i) { y[i] *= in[1][i]; }
                return y;
              },
          .grad_terms = 1};
}

OpCase square(const Shape& x) {
  return {.op = Op::mul,
          .label = "mul of x with itself " + x.str(),
          .inputs = {{.shape = x}},
          .apply = [](const auto& in) { return mul(in[0], in[0]); },
          .reference =
              [](const auto& in) {
                Values y = in[0];
                for (double& v : y) { v *= v; }
                return y;
              },
          .grad_terms = 2};
}

void layouts_differ() {
  const Tensor a = Tensor::zeros({1, 8, 2, 2, 2}, DType::f32, Device::cpu, Layout::blocked);
  const Tensor b = Tensor::zeros({1, 8, 2, 2, 2}, DType::f32);
  static_cast<void>(mul(a, b));
}

const Register kCases({at({1, 1, 1, 1, 1}, Kind::volume), at({2, 5, 3, 2, 3}, Kind::volume), at({9}, Kind::plain),
                       square({1, 12, 1, 3, 5})},
                      {{"layouts differ", layouts_differ,
                        "mul: b is 1x8x2x2x2 f32 plain on cpu, wants that of a, 1x8x2x2x2 f32 blocked on cpu"}});

}  // namespace
}  // namespace vox::test
