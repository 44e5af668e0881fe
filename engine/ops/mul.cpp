#include "engine/dispatch.h"
#include "engine/ops.h"
#include "engine/ops/check.h"
#include "engine/tape.h"
#include "kernels/pointwise.h"

namespace vox {
namespace {

Tensor product(const Tensor& a, const Tensor& b) {
  Tensor y = Tensor::like(a);
  dispatch(a.device(), a.dtype(), [&]<class T>(auto& queue, TypeTag<T>) {
    mul_forward(queue, MulArgs<T>{.a = a.values<T>(), .b = b.values<T>(), .y = y.mutable_values<T>()});
  });
  return y;
}

}  // namespace

Tensor mul(const Tensor& a, const Tensor& b) {
  check_alike(Op::mul, "a", a, "b", b);
  return record(Op::mul, product(a, b), {a, b},
                [a = a.detached(), b = b.detached()](const Tensor& dy, GradSink& grads) {
                  if (grads.wants(0)) { grads.add(0, product(dy, b)); }
                  if (grads.wants(1)) { grads.add(1, product(dy, a)); }
                });
}

}  // namespace vox
