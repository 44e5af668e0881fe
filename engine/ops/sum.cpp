#include "kernels/sum.h"

#include "engine/dispatch.h"
#include "engine/ops.h"
#include "engine/ranks/share_scope.h"
#include "engine/tape.h"
#include "kernels/base/check.h"

namespace vox {
namespace {

/// What sum and mean share: factor * sum, whose gradient is factor everywhere.
Tensor scaled_sum(Op op, const Tensor& x, double factor) {
  check_not_shared(op);
  Tensor y({1}, accumulator(x.dtype()), x.device());
  Tensor partials({sum_partials(x.stored_count())}, DType::f64, x.device());
  dispatch(x.device(), x.dtype(), [&]<class T>(auto& queue, TypeTag<T>) {
    sum_forward(queue, SumArgs<T>{.x = x.values<T>(),
                                  .factor = factor,
                                  .partials = partials.mutable_values<double>(),
                                  .y = y.mutable_values<Acc<T>>()});
  });
  const auto rule = [shape = x.shape(), dtype = x.dtype(), device = x.device(), layout = x.layout(), factor](
                        const Tensor& dy, GradSink& grads) {
    Tensor dx(shape, dtype, device, layout);
    dispatch(device, dtype, [&]<class T>(auto& queue, TypeTag<T>) {
      sum_backward(queue, SumGradArgs<T>{.shape = layout == Layout::blocked ? shape.volume() : VolumeShape{},
                                         .factor = factor,
                                         .dy = dy.values<Acc<T>>(),
                                         .dx = dx.mutable_values<T>()});
    });
    grads.add(0, dx);
  };
  return record(op, y, {x}, rule);
}

}  // namespace

Tensor sum(const Tensor& x) { return scaled_sum(Op::sum, x, 1); }

Tensor mean(const Tensor& x) {
  VOX_CHECK(x.shape().count() > 0, "mean: x is {}, wants at least one value", x.shape().str());
  return scaled_sum(Op::mean, x, 1 / static_cast<double>(x.shape().count()));
}

}  // namespace vox
