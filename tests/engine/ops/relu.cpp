#include <algorithm>

#include "tests/engine/op_case.h"

namespace vox::test {
namespace {

OpCase at(const Shape& x, Kind kind) {
  return {.op = Op::relu,
          .label = "relu " + x.str(),
          .inputs = {{.shape = x, .kind = kind, .make = make_nonzero}},
          .apply = [](const auto& in) { return relu(in[0]); },
          .reference =
              [](const auto& in) {
                Values y = in[0];
                for (double& v : y) { v = std::max(v, 0.0); }
                return y;
              },
          .grad_terms = 1};
}

const Register kCases({at({1, 1, 1, 1, 1}, Kind::volume), at({2, 3, 4, 5, 6}, Kind::volume), at({7}, Kind::plain),
                       at({1, 12, 1, 1, 7}, Kind::volume)});

}  // namespace
}  // namespace vox::test
