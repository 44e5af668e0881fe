#include "engine/dispatch.h"
#include "engine/ops.h"
#include "engine/tape.h"
#include "kernels/pointwise.h"

namespace vox {
namespace {

Tensor scaled(const Tensor& x, double factor) {
  Tensor y = Tensor::like(x);
  dispatch(x.device(), x.dtype(), [&]<class T>(auto& queue, TypeTag<T>) {
    scale_forward(queue, ScaleArgs<T>{.x = x.values<T>(), .factor = factor, .y = y.mutable_values<T>()});
  });
  return y;
}

}  // namespace

Tensor scale(const Tensor& x, double factor) {
  return record(Op::scale, scaled(x, factor), {x},
                [factor](const Tensor& dy, GradSink& grads) { grads.add(0, scaled(dy, factor)); });
}

}  // namespace vox
