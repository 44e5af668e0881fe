#include "tests/engine/op_case.h"

namespace vox::test {
namespace {

OpCase at(const Shape& x, Kind kind) {
  return {.op = Op::add,
          .label = "add " + x.str(),
          .inputs = {{.shape = x, .kind = kind}, {.shape = x, .kind = kind}},
          .apply = [](const auto& in) { return add(in[0], in[1]); },
          .reference =
              [](const auto& in) {
                Values y = in[0];
                for (std::size_t i = 0; i < y.size(); ++i) { y[i] += in[1][i]; }
                return y;
              },
          .grad_terms = 1};
}

void shapes_differ() {
  const Tensor a = Tensor::zeros({1, 3, 2, 2, 2}, DType::f32, Device::cpu, Layout::blocked);
  const Tensor b = Tensor::zeros({1, 4, 2, 2, 2}, DType::f32, Device::cpu, Layout::blocked);
  static_cast<void>(add(a, b));
}

const Register kCases({at({1, 1, 1, 1, 1}, Kind::volume), at({2, 3, 4, 5, 6}, Kind::volume), at({7}, Kind::plain),
                       at({1, 12, 1, 1, 7}, Kind::volume)},
                      {{"shapes differ", shapes_differ,
                        "add: b is 1x4x2x2x2 f32 blocked on cpu, wants that of a, 1x3x2x2x2"}});

}  // namespace
}  // namespace vox::test
