#include "engine/dispatch.h"
#include "engine/ops.h"
#include "engine/tape.h"
#include "kernels/pointwise.h"

namespace vox {

Tensor relu(const Tensor& x) {
  Tensor y = Tensor::like(x);
  dispatch(x.device(), x.dtype(), [&]<class T>(auto& queue, TypeTag<T>) {
    relu_forward(queue, ReluArgs<T>{.x = x.values<T>(), .y = y.mutable_values<T>()});
  });
  // detached: y's node holds this rule, and a rule that held y's node would keep both alive for ever
  return record(Op::relu, y, {x}, [y = y.detached()](const Tensor& dy, GradSink& grads) {
    Tensor dx = Tensor::like(y);
    dispatch(y.device(), y.dtype(), [&]<class T>(auto& queue, TypeTag<T>) {
      relu_backward(queue, ReluGradArgs<T>{.y = y.values<T>(), .dy = dy.values<T>(), .dx = dx.mutable_values<T>()});
    });
    grads.add(0, dx);
  });
}

}  // namespace vox
