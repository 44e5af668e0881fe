#include "kernels/dice_bce_loss.h"

#include "engine/dispatch.h"
#include "engine/ops.h"
#include "engine/ops/case_sums.h"
#include "engine/ops/loss.h"
#include "engine/tape.h"
#include "kernels/base/check.h"

namespace vox {
namespace {

void check_options(const DiceBceLossOptions& o) {
  VOX_CHECK(o.smooth > 0, "dice_bce_loss: smooth is {}, wants more than 0", o.smooth);
  VOX_CHECK(o.dice >= 0 && o.bce >= 0 && o.dice + o.bce > 0,
            "dice_bce_loss: factors {} and {} of dice and bce want 0 or more, one of them more", o.dice, o.bce);
  VOX_CHECK(o.classes >= 1 && o.classes <= kMostRegionClasses, "dice_bce_loss: {} classes, wants 1 to {}", o.classes,
            kMostRegionClasses);
}

RegionsOfClasses regions_of_classes(const DiceBceLossOptions& o) {
  RegionsOfClasses of{};
  for (std::size_t r = 0; r < o.regions.size(); ++r) {
    VOX_CHECK(!o.regions[r].empty(), "dice_bce_loss: region {} is of no class", r);
    for (const int c : o.regions[r]) {
      VOX_CHECK(c >= 0 && c < o.classes, "dice_bce_loss: region {} has class {}, wants 0 to {}", r, c, o.classes - 1);
      of[static_cast<std::size_t>(c)] |= static_cast<std::uint8_t>(1U << r);
    }
  }
  return of;
}

}  // namespace

Tensor dice_bce_loss(const Tensor& logits, const Tensor& labels, const DiceBceLossOptions& options) {
  check_options(options);
  check_loss_inputs(Op::dice_bce_loss, "logits", logits, labels, options.classes);
  const VolumeShape s = shared_volume(logits.shape());
  VOX_CHECK(s.c <= kMostRegions && s.c == std::ssize(options.regions),
            "dice_bce_loss: logits of {} channels for {} regions, wants one for each and at most {}", s.c,
            options.regions.size(), kMostRegions);
  const RegionsOfClasses regions_of = regions_of_classes(options);
  const DiceBceTerms terms{.groups = groups(options.sums, s.whole()),
                           .regions = s.c,
                           .smooth = options.smooth,
                           .dice = options.dice,
                           .bce = options.bce / static_cast<double>(s.whole() * s.c * s.voxels())};

  Tensor loss({1}, accumulator(logits.dtype()), logits.device());
  Tensor partials({dice_bce_partials(s)}, DType::f64, logits.device());
  constexpr std::int64_t kRow = kDiceBceRows * kBlock8;
  Tensor of_cases({s.n, kRow}, DType::f64, logits.device());
  Tensor sums({terms.groups, kRow}, DType::f64, logits.device());
  dispatch(logits.device(), logits.dtype(), [&]<class T>(auto& queue, TypeTag<T>) {
    dice_bce_case_sums(queue, DiceBceSumsArgs<T>{.shape = s,
                                                 .x = logits.values<T>(),
                                                 .labels = labels.values<std::uint8_t>(),
                                                 .regions_of = regions_of,
                                                 .partials = partials.mutable_values<double>(),
                                                 .case_sums = of_cases.mutable_values<double>()});
    const Tensor all = rows_of_batch(of_cases);
    dice_bce_loss_forward(queue, DiceBceLossArgs<T>{.terms = terms,
                                                    .case_sums = all.values<double>(),
                                                    .sums = sums.mutable_values<double>(),
                                                    .loss = loss.mutable_values<Acc<T>>()});
  });
  const std::size_t first = first_sums(terms.groups, kRow);
  const auto rule = [x = logits.detached(), labels, regions_of, sums, first, s, terms](const Tensor& dy,
                                                                                       GradSink& grads) {
    Tensor dx = Tensor::like(x);
    dispatch(x.device(), x.dtype(), [&]<class T>(auto& queue, TypeTag<T>) {
      dice_bce_loss_backward(queue, DiceBceLossGradArgs<T>{.shape = s,
                                                           .x = x.values<T>(),
                                                           .labels = labels.values<std::uint8_t>(),
                                                           .regions_of = regions_of,
                                                           .terms = terms,
                                                           .sums = sums.values<double>().subspan(first),
                                                           .dy = dy.values<Acc<T>>(),
                                                           .dx = dx.mutable_values<T>()});
    });
    grads.add(0, dx);
  };
  return record(Op::dice_bce_loss, loss, {logits, labels}, rule);
}

}  // namespace vox
