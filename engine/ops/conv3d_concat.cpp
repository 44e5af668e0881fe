#include "engine/kept.h"
#include "engine/ops.h"
#include "engine/ops/check.h"
#include "engine/ops/convolve.h"
#include "engine/tape.h"

namespace vox {

Tensor conv3d_concat(const Tensor& a, const Tensor& b, const Tensor& weight, const Tensor& bias,
                     const Conv3dOptions& options) {
  check_concat(Op::conv3d_concat, a, b);
  const Shape& s = a.shape();
  const Shape x{s[0], s[1] + b.shape()[1], s[2], s[3], s[4]};
  Conv3dGeometry g = checked_conv3d(Op::conv3d_concat, x, a, weight, bias, options);
  if (s[1] % kBlock8 != 0) { return conv3d(concat(a, b), weight, bias, options); }  // b's blocks begin inside one of a
  g.split = s[1];
  return record(Op::conv3d_concat, correlate(g, {a, b}, weight, bias), {a, b, weight, bias},
                [g, a = Kept(a), b = Kept(b), weight = weight.detached()](const Tensor& dy, GradSink& grads) {
                  if (grads.wants(2)) { grads.add(2, weight_gradient(g, {a.get(), b.get()}, dy, weight)); }
                  if (grads.wants(0) || grads.wants(1)) {
                    const TensorParts dx = spread(g, dy, weight, {});
                    if (grads.wants(0)) { grads.add(0, dx.first); }
                    if (grads.wants(1)) { grads.add(1, dx.second); }
                  }
                  if (grads.wants(3)) { grads.add(3, channel_sums(dy)); }
                });
}

}  // namespace vox
