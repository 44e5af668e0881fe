#include "kernels/add.h"

#include "engine/dispatch.h"
#include "engine/ops.h"
#include "engine/ops/check.h"
#include "engine/tape.h"

namespace vox {

Tensor add(const Tensor& a, const Tensor& b) {
  check_alike(Op::add, "a", a, "b", b);
  Tensor y = Tensor::like(a);
  dispatch(a.device(), a.dtype(), [&]<class T>(auto& queue, TypeTag<T>) {
    add_forward(queue, AddArgs<T>{.a = a.values<T>(), .b = b.values<T>(), .y = y.mutable_values<T>()});
  });
  return record(Op::add, y, {a, b}, [](const Tensor& dy, GradSink& grads) {
    grads.add(0, dy);
    grads.add(1, dy);
  });
}

}  // namespace vox
