#include "kernels/dropout.h"

#include "engine/dispatch.h"
#include "engine/ops.h"
#include "engine/ops/check.h"
#include "engine/ranks/share_scope.h"
#include "engine/tape.h"

namespace vox {
namespace {

Tensor dropped(const Tensor& x, const DropoutOptions& options) {
  Tensor y = Tensor::like(x);
  const RandomKey key = x.layout() == Layout::blocked ? shared_key(options.key, x.shape()) : options.key;
  dispatch(x.device(), x.dtype(), [&]<class T>(auto& queue, TypeTag<T>) {
    dropout_forward(queue, DropoutArgs<T>{.x = x.values<T>(),
                                          .p = options.p,
                                          .key = key,
                                          .y = y.mutable_values<T>(),
                                          .step_there = options.step_there});
  });
  return y;
}

}  // namespace

Tensor dropout(const Tensor& x, const DropoutOptions& options) {
  check_dropout(Op::dropout, options, x);
  if (options.p == 0) {
    return record(Op::dropout, x.detached(), {x}, [](const Tensor& dy, GradSink& grads) { grads.add(0, dy); });
  }
  return record(Op::dropout, dropped(x, options), {x},
                [options](const Tensor& dy, GradSink& grads) { grads.add(0, dropped(dy, options)); });
}

}  // namespace vox
