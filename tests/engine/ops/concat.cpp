#include "tests/engine/op_case.h"

namespace vox::test {
namespace {

OpCase at(const Shape& a, const Shape& b) {
  return {.op = Op::concat,
          .label = "concat " + a.str() + " " + b.str(),
          .inputs = {{.shape = a}, {.shape = b}},
          .apply = [](const auto& in) { return concat(in[0], in[1]); },
          .reference =
              [a](const auto& in) {
                Values y;
                for (std::int64_t n = 0; n < a[0]; ++n) {
                  for (const Values& x : {in[0], in[1]}) {
                    const auto one = std::ssize(x) / a[0];
                    y.insert(y.end(), x.begin() + n * one, x.begin() + (n + 1) * one);
                  }
                }
                return y;
              },
          .grad_terms = 1};
}

Tensor zeros(const Shape& x, DType dtype = DType::f32) { return Tensor::zeros(x, dtype, Device::cpu, Layout::blocked); }
void extents_differ() { static_cast<void>(concat(zeros({1, 3, 2, 2, 2}), zeros({1, 3, 2, 2, 3}))); }
void types_differ() { static_cast<void>(concat(zeros({1, 3, 2, 2, 2}), zeros({1, 1, 2, 2, 2}, DType::f64))); }
void plain() { static_cast<void>(concat(zeros({1, 3, 2, 2, 2}), Tensor::zeros({1, 3, 2, 2, 2}, DType::f32))); }

const Register kCases(
    {at({1, 1, 1, 1, 1}, {1, 1, 1, 1, 1}), at({2, 8, 3, 2, 3}, {2, 8, 3, 2, 3}), at({2, 3, 2, 3, 2}, {2, 5, 2, 3, 2}),
     at({2, 16, 1, 2, 3}, {2, 5, 1, 2, 3}), at({1, 12, 1, 1, 7}, {1, 33, 1, 1, 7}),
     at({1, 5, 1, 1, 2}, {1, 8, 1, 1, 2})},
    {{"extents differ", extents_differ,
      "concat: b is 1x3x2x2x3 f32 on cpu, wants that of a, 1x3x2x2x2 f32 on cpu, in all but C"},
     {"types differ", types_differ,
      "concat: b is 1x1x2x2x2 f64 on cpu, wants that of a, 1x3x2x2x2 f32 on cpu, in all but C"},
     {"a plain tensor", plain,
      "concat: b is 1x3x2x2x2 f32 plain on cpu, wants a blocked volume [N,C,D,H,W] in f32, f64 or bf16"}});

}  // namespace
}  // namespace vox::test
