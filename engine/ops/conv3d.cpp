#include "kernels/conv3d.h"

#include "engine/ops.h"
#include "engine/ops/check.h"
#include "engine/ops/convolve.h"
#include "engine/tape.h"
#include "kernels/check.h"

namespace vox {
namespace {

Conv3dGeometry checked_geometry(const Tensor& x, const Tensor& weight, const Tensor& bias, const Conv3dOptions& o) {
  check_volume(Op::conv3d, "x", x);
  const Shape& w = weight.shape();
  VOX_CHECK(
      w.rank() == 5 && w[0] >= 1 && w[1] >= 1 && w[1] == x.shape()[1] && w[2] % 2 == 1 && w[2] == w[3] && w[2] == w[4],
      "conv3d: weight is {}, wants [O,{},K,K,K] with K odd", w.str(), x.shape()[1]);
  check_parameter(Op::conv3d, "weight", weight, w, x);
  if (bias.defined()) { check_parameter(Op::conv3d, "bias", bias, {w[0]}, x); }
  VOX_CHECK(o.stride == 1 || o.stride == 2, "conv3d: stride is {}, wants 1 or 2", o.stride);
  VOX_CHECK(o.padding >= -1, "conv3d: padding is {}, wants 0 or more, or -1 for half the kernel", o.padding);
  const auto g = conv3d_geometry(x.shape().volume(), w[0], w[2], o.stride, o.padding < 0 ? w[2] / 2 : o.padding);
  VOX_CHECK(g.y.d > 0 && g.y.h > 0 && g.y.w > 0, "conv3d: x is {}, and a kernel of {} with padding {} fits nowhere",
            x.shape().str(), g.kernel, g.padding);
  return g;
}

}  // namespace

Tensor conv3d(const Tensor& x, const Tensor& weight, const Tensor& bias, const Conv3dOptions& options) {
  const Conv3dGeometry g = checked_geometry(x, weight, bias, options);
  return record(Op::conv3d, correlate(g, x, weight, bias), {x, weight, bias},
                [g, x = x.detached(), weight = weight.detached()](const Tensor& dy, GradSink& grads) {
                  if (grads.wants(0)) { grads.add(0, spread(g, dy, weight, {})); }
                  if (grads.wants(1)) { grads.add(1, weight_gradient(g, x, dy, weight)); }
                  if (grads.wants(2)) { grads.add(2, channel_sums(dy)); }
                });
}

}  // namespace vox
