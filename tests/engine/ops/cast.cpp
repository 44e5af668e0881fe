#include "tests/engine/op_case.h"

namespace vox::test {
namespace {

OpCase at(const Shape& x, Kind kind, DType to) {
  return {.op = Op::cast,
          .label = "cast " + x.str() + " to " + std::string(name(to)),
          .inputs = {{.shape = x, .kind = kind}},
          .apply = [to](const auto& in) { return cast(in[0], to); },
          .reference = [](const auto& in) { return in[0]; },
          .grad_terms = 1};
}

void to_bytes() { static_cast<void>(cast(Tensor::zeros({3}, DType::f32), DType::u8)); }

const Register kCases({at({1, 1, 1, 1, 1}, Kind::volume, DType::f32), at({2, 3, 4, 5, 6}, Kind::volume, DType::bf16),
                       at({7}, Kind::plain, DType::f64), at({1, 12, 1, 1, 7}, Kind::volume, DType::f64)},
                      {{"to bytes", to_bytes, "dispatch: no kernel computes in u8"}});

}  // namespace
}  // namespace vox::test
