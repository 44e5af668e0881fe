#include <numeric>

#include "tests/engine/op_case.h"

namespace vox::test {
namespace {

OpCase at(const Shape& x, Kind kind) {
  return {.op = Op::mean,
          .label = "mean " + x.str(),
          .inputs = {{.shape = x, .kind = kind}},
          .apply = [](const auto& in) { return mean(in[0]); },
          .reference =
              [](const auto& in) {
                return Values{std::accumulate(in[0].begin(), in[0].end(), 0.0) / static_cast<double>(in[0].size())};
              },
          .terms = x.count(),
          .grad_terms = 1,
          .conditioning = 8};
}

void nothing() { static_cast<void>(mean(Tensor({0}, DType::f32))); }

const Register kCases({at({1, 1, 1, 1, 1}, Kind::volume), at({2, 12, 1, 3, 5}, Kind::volume), at({5}, Kind::plain)},
                      {{"nothing to average", nothing, "mean: x is 0, wants at least one value"}});

}  // namespace
}  // namespace vox::test
