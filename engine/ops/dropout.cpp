#include "kernels/dropout.h"

#include "engine/dispatch.h"
#include "engine/ops.h"
#include "engine/tape.h"
#include "kernels/base/check.h"

namespace vox {
namespace {

Tensor dropped(const Tensor& x, const DropoutOptions& options) {
  Tensor y = Tensor::like(x);
  dispatch(x.device(), x.dtype(), [&]<class T>(auto& queue, TypeTag<T>) {
    dropout_forward(queue,
                    DropoutArgs<T>{.x = x.values<T>(), .p = options.p, .key = options.key, .y = y.mutable_values<T>()});
  });
  return y;
}

}  // namespace

Tensor dropout(const Tensor& x, const DropoutOptions& options) {
  VOX_CHECK(options.p >= 0 && options.p < 1, "dropout: p is {}, wants [0,1)", options.p);
  if (options.p == 0) {
    return record(Op::dropout, x.detached(), {x}, [](const Tensor& dy, GradSink& grads) { grads.add(0, dy); });
  }
  return record(Op::dropout, dropped(x, options), {x},
                [options](const Tensor& dy, GradSink& grads) { grads.add(0, dropped(dy, options)); });
}

}  // namespace vox
