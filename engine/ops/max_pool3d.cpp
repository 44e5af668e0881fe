#include "kernels/max_pool3d.h"

#include "engine/dispatch.h"
#include "engine/ops.h"
#include "engine/ops/check.h"
#include "engine/tape.h"
#include "kernels/base/check.h"

namespace vox {

Tensor max_pool3d(const Tensor& x) {
  check_volume(Op::max_pool3d, "x", x);
  const VolumeShape s = x.shape().volume();
  VOX_CHECK(s.d >= 2 && s.h >= 2 && s.w >= 2, "max_pool3d: x is {}, wants at least 2 voxels along D, H and W",
            x.shape().str());
  const VolumeShape out = pooled(s);
  Tensor y = Tensor::volume({out.n, out.c, out.d, out.h, out.w}, x.dtype(), x.device());
  Tensor winners({records({x}) ? y.stored_count() : 0}, DType::u8, x.device());
  dispatch(x.device(), x.dtype(), [&]<class T>(auto& queue, TypeTag<T>) {
    max_pool3d_forward(queue, MaxPool3dArgs<T>{.shape = s,
                                               .x = x.values<T>(),
                                               .y = y.mutable_values<T>(),
                                               .winners = winners.mutable_values<std::uint8_t>()});
  });
  return record(Op::max_pool3d, y, {x}, [s, winners](const Tensor& dy, GradSink& grads) {
    Tensor dx = grads.take(0);  // a skip connection's gradient is there already
    const bool adds = dx.defined();
    if (!adds) { dx = Tensor::volume({s.n, s.c, s.d, s.h, s.w}, dy.dtype(), dy.device()); }
    dispatch(dy.device(), dy.dtype(), [&]<class T>(auto& queue, TypeTag<T>) {
      max_pool3d_backward(queue, MaxPool3dGradArgs<T>{.shape = s,
                                                      .winners = winners.values<std::uint8_t>(),
                                                      .dy = dy.values<T>(),
                                                      .adds = adds,
                                                      .dx = dx.mutable_values<T>()});
    });
    grads.add(0, dx);
  });
}

}  // namespace vox
