#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "benchmarks/gpu/case.h"
#include "benchmarks/gpu/device.h"
#include "kernels/cross_entropy.h"
#include "kernels/dice_focal_loss.h"
#include "kernels/dice_loss.h"
#include "kernels/focal_loss.h"
#include "kernels/softmax.h"

namespace vox::gpu_bench {
namespace {

/// What softmax and the losses work on, at the image's extents.
struct Volumes {
  VolumeShape shape;
  Tensor p;  ///< probabilities: a softmax of random values
  Tensor dp;
  Tensor labels;
  Tensor partials;
  Tensor sums;
  Tensor loss;
  Tensor dy;
  std::vector<double> weights;
};

std::shared_ptr<Volumes> volumes_of(const NetShape& net) {
  auto v = std::make_shared<Volumes>();
  const VolumeShape s = net.level(0, net.classes);
  const DType acc = accumulator(net.dtype);
  v->shape = s;
  v->p = random_volume(s, net.dtype, net.device);
  on_device(net.device, net.dtype, [&]<class T>(auto& q, TypeTag<T>) {
    softmax_forward(q, SoftmaxArgs<T>{.shape = s, .x = std::as_const(v->p).values<T>(), .y = v->p.mutable_values<T>()});
  });
  v->dp = random_volume(s, net.dtype, net.device);
  v->labels = random_labels({s.n, s.d, s.h, s.w}, static_cast<int>(s.c), net.device);
  const std::int64_t partials =
      std::max({dice_partials(s), focal_partials(s), cross_entropy_partials(s), dice_focal_partials(s)});
  v->partials = Tensor({partials}, DType::f64, net.device);
  v->sums = random_plain({dice_focal_rows(s.blocks()) * kBlock8}, DType::f64, net.device);
  v->loss = Tensor({1}, acc, net.device);
  v->dy = random_plain({1}, acc, net.device);
  v->weights.assign(static_cast<std::size_t>(s.c), 0.25);
  return v;
}

/// A kernel that touches so many volumes of the classes, and the labels or not.
template <class Body> Plan loss_plan(const NetShape& net, const char* kernel, double volumes, bool labels, Body body) {
  const VolumeShape s = net.level(0, net.classes);
  return {kernel, fmt::format("{} {}^3", s.c, s.d), net.dtype, net.batch, [=] {
            Case c;
            c.bytes = volumes * static_cast<double>(s.count()) * static_cast<double>(size_of(net.dtype)) +
                      (labels ? static_cast<double>(s.n * s.voxels()) : 0.0);
            auto v = volumes_of(net);
            on_device(net.device, net.dtype, [&]<class T>(auto& queue, TypeTag<T> type) {
              c.run = [&queue, v, type, body] { body(queue, type, *v); };
            });
            return c;
          }};
}

Plan softmax(const NetShape& net) {
  return loss_plan(net, "softmax forward", 2, false, []<class T>(auto& q, TypeTag<T>, Volumes& v) {
    softmax_forward(
        q, SoftmaxArgs<T>{.shape = v.shape, .x = std::as_const(v.p).values<T>(), .y = v.dp.mutable_values<T>()});
  });
}

Plan softmax_gradient(const NetShape& net) {
  return loss_plan(net, "softmax backward", 3, false, []<class T>(auto& q, TypeTag<T>, Volumes& v) {
    softmax_backward(q, SoftmaxGradArgs<T>{.shape = v.shape,
                                           .y = std::as_const(v.p).values<T>(),
                                           .dy = std::as_const(v.p).values<T>(),
                                           .dx = v.dp.mutable_values<T>()});
  });
}

Plan dice(const NetShape& net) {
  return loss_plan(net, "dice_loss forward", 1, true, []<class T>(auto& q, TypeTag<T>, Volumes& v) {
    dice_loss_forward(
        q,
        DiceLossArgs<T>{.shape = v.shape,
                        .p = std::as_const(v.p).values<T>(),
                        .labels = std::as_const(v.labels).values<std::uint8_t>(),
                        .weights = v.weights,
                        .counted = v.shape.c,
                        .groups = 1,
                        .smooth = 1e-5,
                        .partials = v.partials.mutable_values<double>(),
                        .sums = v.sums.mutable_values<double>().first(static_cast<std::size_t>(v.shape.c * kDiceSums)),
                        .loss = v.loss.mutable_values<Acc<T>>()});
  });
}

Plan dice_gradient(const NetShape& net) {
  return loss_plan(net, "dice_loss backward", 1, true, []<class T>(auto& q, TypeTag<T>, Volumes& v) {
    dice_loss_backward(q, DiceLossGradArgs<T>{.shape = v.shape,
                                              .labels = std::as_const(v.labels).values<std::uint8_t>(),
                                              .weights = v.weights,
                                              .counted = v.shape.c,
                                              .groups = 1,
                                              .smooth = 1e-5,
                                              .sums = std::as_const(v.sums).values<double>().first(
                                                  static_cast<std::size_t>(v.shape.c * kDiceSums)),
                                              .dy = std::as_const(v.dy).values<Acc<T>>(),
                                              .dp = v.dp.mutable_values<T>()});
  });
}

Plan focal(const NetShape& net) {
  return loss_plan(net, "focal_loss forward", 1, true, []<class T>(auto& q, TypeTag<T>, Volumes& v) {
    focal_loss_forward(q, FocalLossArgs<T>{.shape = v.shape,
                                           .p = std::as_const(v.p).values<T>(),
                                           .labels = std::as_const(v.labels).values<std::uint8_t>(),
                                           .factors = v.weights,
                                           .gamma = 2,
                                           .clip = 1e-7,
                                           .partials = v.partials.mutable_values<double>(),
                                           .loss = v.loss.mutable_values<Acc<T>>()});
  });
}

Plan focal_gradient(const NetShape& net) {
  return loss_plan(net, "focal_loss backward", 2, true, []<class T>(auto& q, TypeTag<T>, Volumes& v) {
    focal_loss_backward(q, FocalLossGradArgs<T>{.shape = v.shape,
                                                .p = std::as_const(v.p).values<T>(),
                                                .labels = std::as_const(v.labels).values<std::uint8_t>(),
                                                .factors = v.weights,
                                                .gamma = 2,
                                                .clip = 1e-7,
                                                .dy = std::as_const(v.dy).values<Acc<T>>(),
                                                .dp = v.dp.mutable_values<T>()});
  });
}

Plan entropy(const NetShape& net) {
  return loss_plan(net, "cross_entropy forward", 1, true, []<class T>(auto& q, TypeTag<T>, Volumes& v) {
    cross_entropy_forward(q, CrossEntropyArgs<T>{.shape = v.shape,
                                                 .x = std::as_const(v.p).values<T>(),
                                                 .labels = std::as_const(v.labels).values<std::uint8_t>(),
                                                 .weights = v.weights,
                                                 .groups = 1,
                                                 .partials = v.partials.mutable_values<double>(),
                                                 .sums = v.sums.mutable_values<double>().first(kCrossEntropySums),
                                                 .loss = v.loss.mutable_values<Acc<T>>()});
  });
}

Plan entropy_gradient(const NetShape& net) {
  return loss_plan(net, "cross_entropy backward", 2, true, []<class T>(auto& q, TypeTag<T>, Volumes& v) {
    cross_entropy_backward(
        q, CrossEntropyGradArgs<T>{.shape = v.shape,
                                   .x = std::as_const(v.p).values<T>(),
                                   .labels = std::as_const(v.labels).values<std::uint8_t>(),
                                   .weights = v.weights,
                                   .groups = 1,
                                   .sums = std::as_const(v.sums).values<double>().first(kCrossEntropySums),
                                   .dy = std::as_const(v.dy).values<Acc<T>>(),
                                   .dx = v.dp.mutable_values<T>()});
  });
}

/// Of the network's own loss.
constexpr DiceFocalTerms kTerms{.counted = 4, .dice = 1, .focal = 1};

Plan dice_focal(const NetShape& net) {
  return loss_plan(net, "dice_focal_loss forward", 1, true, []<class T>(auto& q, TypeTag<T>, Volumes& v) {
    dice_focal_loss_forward(q, DiceFocalLossArgs<T>{.shape = v.shape,
                                                    .x = std::as_const(v.p).values<T>(),
                                                    .labels = std::as_const(v.labels).values<std::uint8_t>(),
                                                    .weights = v.weights,
                                                    .terms = kTerms,
                                                    .partials = v.partials.mutable_values<double>(),
                                                    .sums = v.sums.mutable_values<double>(),
                                                    .loss = v.loss.mutable_values<Acc<T>>()});
  });
}

Plan dice_focal_gradient(const NetShape& net) {
  return loss_plan(net, "dice_focal_loss backward", 2, true, []<class T>(auto& q, TypeTag<T>, Volumes& v) {
    dice_focal_loss_backward(q, DiceFocalLossGradArgs<T>{.shape = v.shape,
                                                         .x = std::as_const(v.p).values<T>(),
                                                         .labels = std::as_const(v.labels).values<std::uint8_t>(),
                                                         .weights = v.weights,
                                                         .terms = kTerms,
                                                         .sums = std::as_const(v.sums).values<double>(),
                                                         .dy = std::as_const(v.dy).values<Acc<T>>(),
                                                         .dx = v.dp.mutable_values<T>()});
  });
}

}  // namespace

std::vector<Plan> loss_plans(const NetShape& net) {
  return {dice_focal(net), dice_focal_gradient(net), softmax(net), softmax_gradient(net), dice(net), dice_gradient(net),
          focal(net),      focal_gradient(net),      entropy(net), entropy_gradient(net)};
}

}  // namespace vox::gpu_bench
