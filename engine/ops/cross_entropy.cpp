#include "kernels/cross_entropy.h"

#include "engine/dispatch.h"
#include "engine/ops.h"
#include "engine/ops/loss.h"
#include "engine/ranks/share_scope.h"
#include "engine/tape.h"

namespace vox {

Tensor cross_entropy(const Tensor& logits, const Tensor& labels, const CrossEntropyOptions& options) {
  check_loss_inputs(Op::cross_entropy, "logits", logits, labels);
  check_not_shared(Op::cross_entropy);
  const VolumeShape s = logits.shape().volume();
  const auto weights = counted_weights(Op::cross_entropy, options.class_weights, options.background, s.c);
  const std::int64_t group_count = groups(options.sums, s.n);

  Tensor loss({1}, accumulator(logits.dtype()), logits.device());
  Tensor partials({cross_entropy_partials(s)}, DType::f64, logits.device());
  Tensor sums({group_count, kCrossEntropySums}, DType::f64, logits.device());
  dispatch(logits.device(), logits.dtype(), [&]<class T>(auto& queue, TypeTag<T>) {
    cross_entropy_forward(queue, CrossEntropyArgs<T>{.shape = s,
                                                     .x = logits.values<T>(),
                                                     .labels = labels.values<std::uint8_t>(),
                                                     .weights = weights,
                                                     .groups = group_count,
                                                     .partials = partials.mutable_values<double>(),
                                                     .sums = sums.mutable_values<double>(),
                                                     .loss = loss.mutable_values<Acc<T>>()});
  });
  const auto rule = [x = logits.detached(), labels, weights, sums, s, group_count](const Tensor& dy, GradSink& grads) {
    Tensor dx = Tensor::like(x);
    dispatch(x.device(), x.dtype(), [&]<class T>(auto& queue, TypeTag<T>) {
      cross_entropy_backward(queue, CrossEntropyGradArgs<T>{.shape = s,
                                                            .x = x.values<T>(),
                                                            .labels = labels.values<std::uint8_t>(),
                                                            .weights = weights,
                                                            .groups = group_count,
                                                            .sums = sums.values<double>(),
                                                            .dy = dy.values<Acc<T>>(),
                                                            .dx = dx.mutable_values<T>()});
    });
    grads.add(0, dx);
  };
  return record(Op::cross_entropy, loss, {logits, labels}, rule);
}

}  // namespace vox
