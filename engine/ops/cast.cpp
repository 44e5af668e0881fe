#include "kernels/cast.h"

#include "engine/dispatch.h"
#include "engine/ops.h"
#include "engine/tape.h"

namespace vox {
namespace {

Tensor casted(const Tensor& x, DType to) {
  Tensor y(x.shape(), to, x.device(), x.layout());
  dispatch_type(to, [&]<class To>(TypeTag<To>) {
    dispatch(x.device(), x.dtype(), [&]<class T>(auto& queue, TypeTag<T>) {
      cast_forward(queue, CastArgs<T>{.x = x.values<T>(), .y = y.mutable_values<To>()});
    });
  });
  return y;
}

}  // namespace

Tensor cast(const Tensor& x, DType to) {
  return record(Op::cast, casted(x, to), {x},
                [from = x.dtype()](const Tensor& dy, GradSink& grads) { grads.add(0, casted(dy, from)); });
}

}  // namespace vox
