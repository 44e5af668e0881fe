#include "kernels/conv3d.h"

#include "engine/kept.h"
#include "engine/ops.h"
#include "engine/ops/check.h"
#include "engine/ops/convolve.h"
#include "engine/tape.h"

namespace vox {

Tensor conv3d(const Tensor& x, const Tensor& weight, const Tensor& bias, const Conv3dOptions& options) {
  check_volume(Op::conv3d, "x", x);
  const Conv3dGeometry g = checked_conv3d(Op::conv3d, x.shape(), x, weight, bias, options);
  return record(Op::conv3d, correlate(g, {x}, weight, bias), {x, weight, bias},
                [g, x = Kept(x), weight = weight.detached()](const Tensor& dy, GradSink& grads) {
                  Tensor dbias;
                  if (grads.wants(1)) {
                    const ChannelSums sums{.y = grads.wants(2) ? &dbias : nullptr};
                    grads.add(1, weight_gradient(g, {x.get()}, dy, weight, sums));
                  }
                  if (grads.wants(0)) { grads.add(0, spread(g, dy, weight, {}).first); }
                  if (grads.wants(2)) { grads.add(2, dbias.defined() ? dbias : channel_sums(dy)); }
                });
}

}  // namespace vox
