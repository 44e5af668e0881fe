#include "kernels/softmax.h"

#include "engine/dispatch.h"
#include "engine/ops.h"
#include "engine/ops/check.h"
#include "engine/tape.h"

namespace vox {

Tensor softmax(const Tensor& x) {
  check_volume(Op::softmax, "x", x);
  const VolumeShape s = x.shape().volume();
  Tensor y = Tensor::like(x);
  dispatch(x.device(), x.dtype(), [&]<class T>(auto& queue, TypeTag<T>) {
    softmax_forward(queue, SoftmaxArgs<T>{.shape = s, .x = x.values<T>(), .y = y.mutable_values<T>()});
  });
  return record(Op::softmax, y, {x}, [y = y.detached(), s](const Tensor& dy, GradSink& grads) {
    Tensor dx = Tensor::like(y);
    dispatch(y.device(), y.dtype(), [&]<class T>(auto& queue, TypeTag<T>) {
      softmax_backward(queue, SoftmaxGradArgs<T>{
                                  .shape = s, .y = y.values<T>(), .dy = dy.values<T>(), .dx = dx.mutable_values<T>()});
    });
    grads.add(0, dx);
  });
}

}  // namespace vox
