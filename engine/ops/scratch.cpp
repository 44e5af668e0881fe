#include "engine/ops/scratch.h"

#include "engine/dispatch.h"
#include "kernels/conv3d.h"

namespace vox {

Tensor scratch_for(const Tensor& x, std::int64_t elements) {
  return Tensor({elements}, accumulator(x.dtype()), x.device());
}

Tensor channel_sums(const Tensor& dy) {
  const VolumeShape shape = dy.shape().volume();
  Tensor sums({shape.c}, accumulator(dy.dtype()), dy.device());
  dispatch(dy.device(), dy.dtype(), [&]<class T>(auto& queue, TypeTag<T>) {
    Tensor scratch = scratch_for(dy, conv3d_grad_bias_scratch(queue, shape));
    conv3d_grad_bias(queue, Conv3dGradBiasArgs<T>{.shape = shape,
                                                  .dy = dy.values<T>(),
                                                  .dbias = sums.mutable_values<Acc<T>>(),
                                                  .scratch = scratch.mutable_values<Acc<T>>()});
  });
  return sums;
}

}  // namespace vox
