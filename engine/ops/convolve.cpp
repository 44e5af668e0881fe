#include "engine/ops/convolve.h"

#include <optional>
#include <type_traits>

#include "engine/dispatch.h"
#include "engine/ops/case_sums.h"
#include "engine/ops/check.h"
#include "engine/ops/normalise.h"
#include "engine/packed_weights.h"
#include "kernels/base/check.h"
#include "kernels/conv_transpose3d.h"
#include "kernels/plan/one_case.h"
#include "kernels/pointwise.h"

namespace vox {
namespace {

Tensor volume_on(const VolumeShape& s, const Tensor& like) {
  return Tensor::volume({s.n, s.c, s.d, s.h, s.w}, like.dtype(), like.device());
}

/// Memory a kernel works in: elements of the accumulator type of x, on x's device.
Tensor scratch_for(const Tensor& x, std::int64_t elements) {
  return Tensor({elements}, accumulator(x.dtype()), x.device());
}

/// What lies in a tensor that may be undefined: a bias, the second part of a side, or a packed weight.
template <class T> std::span<const T> values_or_none(const Tensor& t) {
  return t.defined() ? t.values<T>() : std::span<const T>{};
}
template <class T> std::span<const T> packed_values(const Tensor& t) {
  if constexpr (std::is_same_v<T, Bf16>) { return values_or_none<T>(t); }
  return {};
}

}  // namespace

Conv3dGeometry checked_conv3d(Op op, const Shape& x, const Tensor& like, const Tensor& weight, const Tensor& bias,
                              const Conv3dOptions& o) {
  const Shape& w = weight.shape();
  VOX_CHECK(w.rank() == 5 && w[0] >= 1 && w[1] >= 1 && w[1] == x[1] && w[2] % 2 == 1 && w[2] == w[3] && w[2] == w[4],
            "{}: weight is {}, wants [O,{},K,K,K] with K odd", name(op), w.str(), x[1]);
  check_parameter(op, "weight", weight, w, like);
  if (bias.defined()) { check_parameter(op, "bias", bias, {w[0]}, like); }
  VOX_CHECK(o.stride == 1 || o.stride == 2, "{}: stride is {}, wants 1 or 2", name(op), o.stride);
  VOX_CHECK(o.padding >= -1, "{}: padding is {}, wants 0 or more, or -1 for half the kernel", name(op), o.padding);
  const auto g = conv3d_geometry(shared_volume(x), w[0], w[2], o.stride, o.padding < 0 ? w[2] / 2 : o.padding);
  VOX_CHECK(g.y.d > 0 && g.y.h > 0 && g.y.w > 0, "{}: x is {}, and a kernel of {} with padding {} fits nowhere",
            name(op), x.str(), g.kernel, g.padding);
  return g;
}

Tensor correlate(const Conv3dGeometry& g, const TensorParts& x, const Tensor& weight, const Tensor& bias,
                 const Epilogue& epilogue) {
  Tensor y = volume_on(g.y, x.first);
  dispatch(y.device(), y.dtype(), [&]<class T>(auto& queue, TypeTag<T>) {
    const Conv3dAlgorithm algorithm = choose<T>(queue, Conv3dPass::correlate, g);
    Tensor scratch = scratch_for(y, conv3d_forward_scratch(queue, g, algorithm));
    const std::int64_t boxes = conv3d_boxes<T>(queue, g, algorithm);
    Tensor moments;
    if (epilogue.moments != nullptr && boxes > 0) {
      moments = Tensor({g.y.blocks() * boxes * kBoxMoments}, DType::f64, y.device());
      *epilogue.moments = moments;
    }
    const Tensor packed = packed_weight(weight, Conv3dPass::correlate);
    conv3d_forward(queue, Conv3dArgs<T>{.geometry = g,
                                        .algorithm = algorithm,
                                        .x = x.first.values<T>(),
                                        .x2 = values_or_none<T>(x.second),
                                        .weight = weight.values<Acc<T>>(),
                                        .packed = packed_values<T>(packed),
                                        .bias = values_or_none<Acc<T>>(bias),
                                        .y = y.mutable_values<T>(),
                                        .epilogue = {.relu = epilogue.relu && boxes > 0,
                                                     .moments = moments.defined() ? moments.mutable_values<double>()
                                                                                  : std::span<double>()},
                                        .scratch = scratch.mutable_values<Acc<T>>()});
    if (epilogue.relu && boxes == 0) {
      relu_forward(queue, ReluArgs<T>{.x = y.values<T>(), .y = y.mutable_values<T>()});
    }
  });
  return y;
}

namespace {

/// With memory for the sums of so many boxes.
template <class T> BatchNormGradSums<T> sums_of_boxes(GradientSums& of, std::int64_t boxes) {
  of.boxes = Tensor({batch_norm_boxes(of.x.shape().volume(), boxes)}, DType::f64, of.x.device());
  return {.groups = of.norm.groups,
          .x = of.x.values<T>(),
          .mean = of.norm.mean.values<Acc<T>>(),
          .variance = of.norm.variance.values<Acc<T>>(),
          .gamma = of.norm.gamma.values<Acc<T>>(),
          .beta = of.norm.beta.values<Acc<T>>(),
          .eps = of.norm.eps,
          .activation = of.norm.activation,
          .sums = of.boxes.mutable_values<double>()};
}

}  // namespace

TensorParts spread(const Conv3dGeometry& g, const Tensor& y, const Tensor& weight, const Tensor& bias,
                   GradientSums* sums) {
  VolumeShape first = g.x;
  VolumeShape second = g.x;
  if (g.split != 0) { first.c = g.split; }
  second.c = g.x.c - first.c;
  TensorParts x{.first = volume_on(first, y), .second = g.split != 0 ? volume_on(second, y) : Tensor()};
  dispatch(y.device(), y.dtype(), [&]<class T>(auto& queue, TypeTag<T>) {
    const Conv3dAlgorithm algorithm = choose<T>(queue, Conv3dPass::spread, g);
    Tensor scratch = scratch_for(y, conv_transpose3d_scratch(queue, g, algorithm));
    const Tensor packed = packed_weight(weight, Conv3dPass::spread);
    const bool wanted = sums != nullptr && sums->norm.activation.kind != Activation::Kind::leaky_relu_dropout;
    const std::int64_t boxes = wanted ? conv_transpose3d_boxes(queue, g, algorithm) : 0;
    conv_transpose3d_forward(
        queue, ConvTranspose3dArgs<T>{.geometry = g,
                                      .algorithm = algorithm,
                                      .x = y.values<T>(),
                                      .weight = weight.values<Acc<T>>(),
                                      .packed = packed_values<T>(packed),
                                      .bias = values_or_none<Acc<T>>(bias),
                                      .y = x.first.mutable_values<T>(),
                                      .y2 = x.second.defined() ? x.second.mutable_values<T>() : std::span<T>(),
                                      .gradient = boxes > 0 ? sums_of_boxes<T>(*sums, boxes) : BatchNormGradSums<T>{},
                                      .scratch = scratch.mutable_values<Acc<T>>()});
  });
  return x;
}

Tensor weight_gradient(const Conv3dGeometry& g, const TensorParts& x, const Tensor& y, const Tensor& weight,
                       const ChannelSums& wanted) {
  const std::int64_t cases = g.x.n;
  CaseSums dweight(weight.shape(), weight.dtype(), weight.device(), cases, true);
  dispatch(y.device(), y.dtype(), [&]<class T>(auto& queue, TypeTag<T>) {
    const Conv3dAlgorithm algorithm = choose<T>(queue, Conv3dPass::grad_weight, g);
    Tensor scratch = scratch_for(y, conv3d_grad_weight_scratch(queue, g, algorithm));
    const bool sums = conv3d_grad_weight_sums(queue, g, algorithm);
    std::optional<CaseSums> of_x;
    std::optional<CaseSums> of_y;
    const auto rows_of = [&](std::optional<CaseSums>& rows, const Tensor* to, std::int64_t channels) {
      if (to == nullptr || !sums) { return std::span<Acc<T>>{}; }
      return rows.emplace(Shape{channels}, weight.dtype(), weight.device(), cases).template rows<Acc<T>>();
    };
    Conv3dGradWeightArgs<T> args{.geometry = g,
                                 .algorithm = algorithm,
                                 .x = x.first.values<T>(),
                                 .x2 = values_or_none<T>(x.second),
                                 .dy = y.values<T>(),
                                 .dweight = {},
                                 .x_sums = rows_of(of_x, wanted.x, g.x.c),
                                 .dy_sums = rows_of(of_y, wanted.y, g.y.c),
                                 .scratch = scratch.mutable_values<Acc<T>>()};
    if (dweight.goes_by_case()) {
      dweight.each_case<Acc<T>>([&](std::int64_t n, std::span<Acc<T>> row) {
        Conv3dGradWeightArgs<T> of = one_case(args, n);
        of.dweight = row;
        conv3d_grad_weight(queue, of);
      });
    } else {
      args.dweight = dweight.rows<Acc<T>>();
      conv3d_grad_weight(queue, args);
    }
    if (wanted.x != nullptr) { *wanted.x = of_x ? of_x->sum() : channel_sums(x.first); }
    if (wanted.y != nullptr) { *wanted.y = of_y ? of_y->sum() : channel_sums(y); }
  });
  return dweight.sum();
}

Tensor channel_sums(const Tensor& dy) {
  const VolumeShape shape = dy.shape().volume();
  CaseSums sums({shape.c}, accumulator(dy.dtype()), dy.device(), shape.n);
  dispatch(dy.device(), dy.dtype(), [&]<class T>(auto& queue, TypeTag<T>) {
    Tensor scratch = scratch_for(dy, conv3d_grad_bias_scratch(queue, shape));
    conv3d_grad_bias(queue, Conv3dGradBiasArgs<T>{.shape = shape,
                                                  .dy = dy.values<T>(),
                                                  .dbias = sums.rows<Acc<T>>(),
                                                  .scratch = scratch.mutable_values<Acc<T>>()});
  });
  return sums.sum();
}

}  // namespace vox
