#include "kernels/conv3d.h"

#include <memory>

#include "engine/kept.h"
#include "engine/ops.h"
#include "engine/ops/check.h"
#include "engine/ops/convolve.h"
#include "engine/ranks/share_scope.h"
#include "engine/tape.h"
#include "kernels/base/check.h"

namespace vox {
namespace {

Conv3dGeometry checked_geometry(const Tensor& x, const Tensor& weight, const Tensor& bias,
                                const ConvTranspose3dOptions& o) {
  check_volume(Op::conv_transpose3d, "x", x);
  const Shape& w = weight.shape();
  VOX_CHECK(
      w.rank() == 5 && w[0] >= 1 && w[1] >= 1 && w[0] == x.shape()[1] && w[2] >= 1 && w[2] == w[3] && w[2] == w[4],
      "conv_transpose3d: weight is {}, wants [{},O,K,K,K]", w.str(), x.shape()[1]);
  check_parameter(Op::conv_transpose3d, "weight", weight, w, x);
  if (bias.defined()) { check_parameter(Op::conv_transpose3d, "bias", bias, {w[1]}, x); }
  VOX_CHECK(o.stride >= 1, "conv_transpose3d: stride is {}, wants 1 or more", o.stride);
  VOX_CHECK(o.padding >= 0, "conv_transpose3d: padding is {}, wants 0 or more", o.padding);
  VOX_CHECK(o.output_padding >= 0 && o.output_padding < o.stride,
            "conv_transpose3d: output_padding is {}, wants 0 to {}", o.output_padding, o.stride - 1);
  const auto g = conv_transpose3d_geometry(shared_volume(x.shape()), w[1], w[2], o.stride, o.padding, o.output_padding);
  VOX_CHECK(g.x.d > 0 && g.x.h > 0 && g.x.w > 0,
            "conv_transpose3d: x is {}, and kernel {}, stride {}, padding {} leave nothing of it", x.shape().str(),
            g.kernel, g.stride, g.padding);
  return g;
}

}  // namespace

Tensor conv_transpose3d(const Tensor& x, const Tensor& weight, const Tensor& bias,
                        const ConvTranspose3dOptions& options) {
  const Conv3dGeometry g = checked_geometry(x, weight, bias, options);
  struct Saved {
    Conv3dGeometry g;
    Kept x;
    Tensor weight;
    Tensor bias;
  };
  if (!records({x, weight, bias})) {
    return record(Op::conv_transpose3d, spread(g, x, weight, bias).first, {x, weight, bias},
                  no_gradient(Op::conv_transpose3d));
  }
  const auto saved = std::make_shared<const Saved>(
      Saved{.g = g, .x = Kept(x), .weight = weight.detached(), .bias = bias.defined() ? bias.detached() : Tensor()});
  Tensor y = record(Op::conv_transpose3d, spread(g, x, weight, bias).first, {x, weight, bias},
                    [saved](const Tensor& dy, GradSink& grads) {
                      Tensor dbias;
                      if (grads.wants(1)) {
                        const ChannelSums sums{.x = grads.wants(2) ? &dbias : nullptr};
                        grads.add(1, weight_gradient(saved->g, {dy}, saved->x.get(), saved->weight, sums));
                      }
                      if (grads.wants(0)) { grads.add(0, correlate(saved->g, {dy}, saved->weight, {})); }
                      if (grads.wants(2)) { grads.add(2, dbias.defined() ? dbias : channel_sums(dy)); }
                    });
  if (g.kernel <= g.stride) {  // a few products per voxel: making it again costs little more than to read it
    can_remake(y, [saved] { return spread(saved->g, saved->x.get(), saved->weight, saved->bias).first; });
  }
  return y;
}

}  // namespace vox
