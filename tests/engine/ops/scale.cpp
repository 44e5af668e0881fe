#include "tests/engine/op_case.h"

namespace vox::test {
namespace {

OpCase at(const Shape& x, Kind kind, double factor) {
  return {.op = Op::scale,
          .label = "scale " + x.str(),
          .inputs = {{.shape = x, .kind = kind}},
          .apply = [factor](const auto& in) { return scale(in[0], factor); },
          .reference =
              [factor](const auto& in) {
                Values y = in[0];
                for (double& v : y) { v *= factor; }
                return y;
              },
          .grad_terms = 1};
}

const Register kCases({at({1, 1, 1, 1, 1}, Kind::volume, -3), at({2, 3, 4, 5, 6}, Kind::volume, 1.0 / 3),
                       at({7}, Kind::plain, 0), at({1, 33, 1, 1, 3}, Kind::volume, 1e-3)});

}  // namespace
}  // namespace vox::test
