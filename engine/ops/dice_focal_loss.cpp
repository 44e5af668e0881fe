#include "kernels/dice_focal_loss.h"

#include "engine/dispatch.h"
#include "engine/ops.h"
#include "engine/ops/case_sums.h"
#include "engine/ops/loss.h"
#include "engine/tape.h"
#include "kernels/base/check.h"

namespace vox {
namespace {

void check_options(const DiceFocalLossOptions& o) {
  VOX_CHECK(o.smooth > 0, "dice_focal_loss: smooth is {}, wants more than 0", o.smooth);
  VOX_CHECK(o.gamma >= 0, "dice_focal_loss: gamma is {}, wants 0 or more", o.gamma);
  VOX_CHECK(o.alpha >= 0, "dice_focal_loss: alpha is {}, wants 0 or more", o.alpha);
  VOX_CHECK(o.clip > 0 && o.clip < 0.5, "dice_focal_loss: clip is {}, wants (0,0.5)", o.clip);
  VOX_CHECK(o.dice >= 0 && o.focal >= 0 && o.cross_entropy >= 0 && o.dice + o.focal + o.cross_entropy > 0,
            "dice_focal_loss: factors {}, {} and {} of dice, focal and cross entropy want 0 or more, one of them more",
            o.dice, o.focal, o.cross_entropy);
}

DiceFocalTerms terms_of(const DiceFocalLossOptions& o, const VolumeShape& s) {
  const std::int64_t classes = counted(o.background, s.c);
  const Background of_dice = o.background == Background::exclude ? o.background : o.dice_background;
  VOX_CHECK(counted(of_dice, s.c) > 0, "dice_focal_loss: without background no class is left of {}", s.c);
  const std::int64_t focal_terms = s.whole() * s.voxels() * (o.mean == FocalMean::voxels_and_classes ? classes : 1);
  return {.groups = groups(o.sums, s.whole()),
          .counted = counted(of_dice, s.c),
          .dice_from = s.c - counted(of_dice, s.c),
          .smooth = o.smooth,
          .gamma = o.gamma,
          .clip = o.clip,
          .dice = o.dice,
          .focal = o.focal * o.alpha / static_cast<double>(focal_terms),
          .cross_entropy = o.cross_entropy};
}

}  // namespace

Tensor dice_focal_loss(const Tensor& logits, const Tensor& labels, const DiceFocalLossOptions& options) {
  check_loss_inputs(Op::dice_focal_loss, "logits", logits, labels);
  check_options(options);
  const VolumeShape s = shared_volume(logits.shape());
  VOX_CHECK(s.c <= kDiceFocalClasses, "dice_focal_loss: {} classes, wants at most {}", s.c, kDiceFocalClasses);
  const auto weights = counted_weights(Op::dice_focal_loss, options.class_weights, options.background, s.c);
  const DiceFocalTerms terms = terms_of(options, s);

  Tensor loss({1}, accumulator(logits.dtype()), logits.device());
  Tensor partials({dice_focal_partials(s)}, DType::f64, logits.device());
  const std::int64_t row = dice_focal_rows(s.blocks()) * kBlock8;
  Tensor of_cases({s.n, row}, DType::f64, logits.device());
  Tensor sums({terms.groups, row}, DType::f64, logits.device());
  dispatch(logits.device(), logits.dtype(), [&]<class T>(auto& queue, TypeTag<T>) {
    dice_focal_case_sums(queue, DiceFocalSumsArgs<T>{.shape = s,
                                                     .x = logits.values<T>(),
                                                     .labels = labels.values<std::uint8_t>(),
                                                     .weights = weights,
                                                     .terms = terms,
                                                     .partials = partials.mutable_values<double>(),
                                                     .case_sums = of_cases.mutable_values<double>()});
    const Tensor all = rows_of_batch(of_cases);
    dice_focal_loss_forward(queue, DiceFocalLossArgs<T>{.channels = s.c,
                                                        .weights = weights,
                                                        .terms = terms,
                                                        .case_sums = all.values<double>(),
                                                        .sums = sums.mutable_values<double>(),
                                                        .loss = loss.mutable_values<Acc<T>>()});
  });
  const std::size_t first = first_sums(terms.groups, row);
  const auto rule = [x = logits.detached(), labels, weights, sums, first, s, terms](const Tensor& dy, GradSink& grads) {
    Tensor dx = Tensor::like(x);
    dispatch(x.device(), x.dtype(), [&]<class T>(auto& queue, TypeTag<T>) {
      dice_focal_loss_backward(queue, DiceFocalLossGradArgs<T>{.shape = s,
                                                               .x = x.values<T>(),
                                                               .labels = labels.values<std::uint8_t>(),
                                                               .weights = weights,
                                                               .terms = terms,
                                                               .sums = sums.values<double>().subspan(first),
                                                               .dy = dy.values<Acc<T>>(),
                                                               .dx = dx.mutable_values<T>()});
    });
    grads.add(0, dx);
  };
  return record(Op::dice_focal_loss, loss, {logits, labels}, rule);
}

}  // namespace vox
