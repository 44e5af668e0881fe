#include "engine/ops/check.h"

#include "kernels/base/check.h"

namespace vox {
namespace {

std::string describe(const Tensor& t) {
  return fmt::format("{} {} {} on {}", t.shape().str(), name(t.dtype()), name(t.layout()), name(t.device()));
}

}  // namespace

void check_volume(Op op, const char* operand, const Tensor& t) {
  VOX_CHECK(t.shape().rank() == 5 && t.layout() == Layout::blocked && t.dtype() != DType::u8,
            "{}: {} is {}, wants a blocked volume [N,C,D,H,W] in f32, f64 or bf16", name(op), operand, describe(t));
}

void check_alike(Op op, const char* operand_a, const Tensor& a, const char* operand_b, const Tensor& b) {
  VOX_CHECK(a.shape() == b.shape() && a.dtype() == b.dtype() && a.layout() == b.layout() && a.device() == b.device(),
            "{}: {} is {}, wants that of {}, {}", name(op), operand_b, describe(b), operand_a, describe(a));
}

void check_concat(Op op, const Tensor& a, const Tensor& b) {
  check_volume(op, "a", a);
  check_volume(op, "b", b);
  VolumeShape like_a = b.shape().volume();
  like_a.c = a.shape()[1];
  VOX_CHECK(like_a == a.shape().volume() && a.dtype() == b.dtype() && a.device() == b.device(),
            "{}: b is {} {} on {}, wants that of a, {} {} on {}, in all but C", name(op), b.shape().str(),
            name(b.dtype()), name(b.device()), a.shape().str(), name(a.dtype()), name(a.device()));
}

void check_parameter(Op op, const char* operand, const Tensor& parameter, const Shape& wants, const Tensor& x) {
  VOX_CHECK(parameter.shape() == wants && parameter.dtype() == accumulator(x.dtype()) &&
                parameter.layout() == Layout::plain && parameter.device() == x.device(),
            "{}: {} is {}, wants {} {} plain on {}", name(op), operand, describe(parameter), wants.str(),
            name(accumulator(x.dtype())), name(x.device()));
}

void check_labels(Op op, const Tensor& labels, const Tensor& x) {
  const Shape& s = x.shape();
  const Shape wants{s[0], s[2], s[3], s[4]};
  VOX_CHECK(labels.shape() == wants && labels.dtype() == DType::u8 && labels.device() == x.device(),
            "{}: labels are {}, wants {} u8 on {}", name(op), describe(labels), wants.str(), name(x.device()));
}

void check_dropout(Op op, const DropoutOptions& o, const Tensor& x) {
  VOX_CHECK(o.p >= 0 && o.p < 1, "{}: p is {}, wants [0,1)", name(op), o.p);
  VOX_CHECK(o.step_there == nullptr || x.device() != Device::cpu,
            "{}: a step that lies in a device's memory, and x on the cpu", name(op));
}

}  // namespace vox
