#include "kernels/concat.h"

#include "engine/dispatch.h"
#include "engine/ops.h"
#include "engine/ops/check.h"
#include "engine/tape.h"

namespace vox {

Tensor concat(const Tensor& a, const Tensor& b) {
  check_concat(Op::concat, a, b);
  const Shape& s = a.shape();
  Tensor y = Tensor::volume({s[0], s[1] + b.shape()[1], s[2], s[3], s[4]}, a.dtype(), a.device());
  dispatch(a.device(), a.dtype(), [&]<class T>(auto& queue, TypeTag<T>) {
    concat_forward(queue, ConcatArgs<T>{.a_shape = a.shape().volume(),
                                        .b_shape = b.shape().volume(),
                                        .a = a.values<T>(),
                                        .b = b.values<T>(),
                                        .y = y.mutable_values<T>()});
  });
  return record(Op::concat, y, {a, b}, [a_shape = a.shape(), b_shape = b.shape()](const Tensor& dy, GradSink& grads) {
    Tensor da = grads.wants(0) ? Tensor::volume(a_shape, dy.dtype(), dy.device()) : Tensor();
    Tensor db = grads.wants(1) ? Tensor::volume(b_shape, dy.dtype(), dy.device()) : Tensor();
    dispatch(dy.device(), dy.dtype(), [&]<class T>(auto& queue, TypeTag<T>) {
      concat_backward(queue, ConcatGradArgs<T>{.a_shape = a_shape.volume(),
                                               .b_shape = b_shape.volume(),
                                               .dy = dy.values<T>(),
                                               .da = da.defined() ? da.mutable_values<T>() : std::span<T>(),
                                               .db = db.defined() ? db.mutable_values<T>() : std::span<T>()});
    });
    if (da.defined()) { grads.add(0, da); }
    if (db.defined()) { grads.add(1, db); }
  });
}

}  // namespace vox
