#include <numeric>

#include "tests/engine/op_case.h"

namespace vox::test {
namespace {

OpCase at(const Shape& x, Kind kind) {
  return {.op = Op::sum,
          .label = "sum " + x.str(),
          .inputs = {{.shape = x, .kind = kind}},
          .apply = [](const auto& in) { return sum(in[0]); },
          .reference = [](const auto& in) { return Values{std::accumulate(in[0].begin(), in[0].end(), 0.0)}; },
          .terms = x.count(),
          .grad_terms = 1,
          .conditioning = 8};  // values of either sign: the sum is smaller than its parts
}

const Register kCases({at({1, 1, 1, 1, 1}, Kind::volume), at({2, 3, 4, 5, 6}, Kind::volume), at({7}, Kind::plain),
                       at({1, 33, 1, 1, 3}, Kind::volume)});

}  // namespace
}  // namespace vox::test
