#include "kernels/focal_loss.h"

#include "engine/dispatch.h"
#include "engine/ops.h"
#include "engine/ops/loss.h"
#include "engine/ranks/share_scope.h"
#include "engine/tape.h"
#include "kernels/base/check.h"

namespace vox {
namespace {

/// Class weight * alpha / number of terms of the mean.
std::vector<double> factors_of(const FocalLossOptions& options, const VolumeShape& s) {
  std::vector<double> factors = counted_weights(Op::focal_loss, options.class_weights, options.background, s.c);
  const std::int64_t classes =
      options.mean == FocalMean::voxels_and_classes ? counted(options.background, s.c) : std::int64_t{1};
  for (double& f : factors) { f *= options.alpha / static_cast<double>(s.n * s.voxels() * classes); }
  return factors;
}

}  // namespace

Tensor focal_loss(const Tensor& probabilities, const Tensor& labels, const FocalLossOptions& options) {
  check_loss_inputs(Op::focal_loss, "probabilities", probabilities, labels);
  check_not_shared(Op::focal_loss);
  VOX_CHECK(options.gamma >= 0, "focal_loss: gamma is {}, wants 0 or more", options.gamma);
  VOX_CHECK(options.alpha >= 0, "focal_loss: alpha is {}, wants 0 or more", options.alpha);
  VOX_CHECK(options.clip > 0 && options.clip < 0.5, "focal_loss: clip is {}, wants (0,0.5)", options.clip);
  const VolumeShape s = probabilities.shape().volume();
  const auto factors = factors_of(options, s);

  Tensor loss({1}, accumulator(probabilities.dtype()), probabilities.device());
  Tensor partials({focal_partials(s)}, DType::f64, probabilities.device());
  dispatch(probabilities.device(), probabilities.dtype(), [&]<class T>(auto& queue, TypeTag<T>) {
    focal_loss_forward(queue, FocalLossArgs<T>{.shape = s,
                                               .p = probabilities.values<T>(),
                                               .labels = labels.values<std::uint8_t>(),
                                               .factors = factors,
                                               .gamma = options.gamma,
                                               .clip = options.clip,
                                               .partials = partials.mutable_values<double>(),
                                               .loss = loss.mutable_values<Acc<T>>()});
  });
  const auto rule = [p = probabilities.detached(), labels, factors, s, gamma = options.gamma, clip = options.clip](
                        const Tensor& dy, GradSink& grads) {
    Tensor dp = Tensor::like(p);
    dispatch(p.device(), p.dtype(), [&]<class T>(auto& queue, TypeTag<T>) {
      focal_loss_backward(queue, FocalLossGradArgs<T>{.shape = s,
                                                      .p = p.values<T>(),
                                                      .labels = labels.values<std::uint8_t>(),
                                                      .factors = factors,
                                                      .gamma = gamma,
                                                      .clip = clip,
                                                      .dy = dy.values<Acc<T>>(),
                                                      .dp = dp.mutable_values<T>()});
    });
    grads.add(0, dp);
  };
  return record(Op::focal_loss, loss, {probabilities, labels}, rule);
}

}  // namespace vox
