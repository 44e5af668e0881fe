#include "engine/dispatch.h"
#include "engine/ops.h"
#include "engine/tape.h"
#include "kernels/base/check.h"
#include "kernels/pointwise.h"

namespace vox {

Tensor leaky_relu(const Tensor& x, double negative_slope) {
  VOX_CHECK(negative_slope >= 0, "leaky_relu: negative_slope is {}, wants 0 or more", negative_slope);
  Tensor y = Tensor::like(x);
  dispatch(x.device(), x.dtype(), [&]<class T>(auto& queue, TypeTag<T>) {
    leaky_relu_forward(
        queue, LeakyReluArgs<T>{.x = x.values<T>(), .negative_slope = negative_slope, .y = y.mutable_values<T>()});
  });
  return record(Op::leaky_relu, y, {x}, [y = y.detached(), negative_slope](const Tensor& dy, GradSink& grads) {
    Tensor dx = Tensor::like(y);
    dispatch(y.device(), y.dtype(), [&]<class T>(auto& queue, TypeTag<T>) {
      leaky_relu_backward(queue, LeakyReluGradArgs<T>{.y = y.values<T>(),
                                                      .negative_slope = negative_slope,
                                                      .dy = dy.values<T>(),
                                                      .dx = dx.mutable_values<T>()});
    });
    grads.add(0, dx);
  });
}

}  // namespace vox
