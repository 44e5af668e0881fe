#include "kernels/dice_loss.h"

#include "engine/dispatch.h"
#include "engine/ops.h"
#include "engine/ops/loss.h"
#include "engine/ranks/share_scope.h"
#include "engine/tape.h"
#include "kernels/base/check.h"

namespace vox {

Tensor dice_loss(const Tensor& probabilities, const Tensor& labels, const DiceLossOptions& options) {
  check_loss_inputs(Op::dice_loss, "probabilities", probabilities, labels);
  check_not_shared(Op::dice_loss);
  VOX_CHECK(options.smooth > 0, "dice_loss: smooth is {}, wants more than 0", options.smooth);
  const VolumeShape s = probabilities.shape().volume();
  const auto weights = counted_weights(Op::dice_loss, options.class_weights, options.background, s.c);
  const std::int64_t group_count = groups(options.sums, s.n);
  const std::int64_t class_count = counted(options.background, s.c);
  const DType dtype = probabilities.dtype();
  const Device device = probabilities.device();

  Tensor loss({1}, accumulator(dtype), device);
  Tensor partials({dice_partials(s)}, DType::f64, device);
  Tensor sums({group_count, s.c, kDiceSums}, DType::f64, device);
  dispatch(device, dtype, [&]<class T>(auto& queue, TypeTag<T>) {
    dice_loss_forward(queue, DiceLossArgs<T>{.shape = s,
                                             .p = probabilities.values<T>(),
                                             .labels = labels.values<std::uint8_t>(),
                                             .weights = weights,
                                             .counted = class_count,
                                             .groups = group_count,
                                             .smooth = options.smooth,
                                             .partials = partials.mutable_values<double>(),
                                             .sums = sums.mutable_values<double>(),
                                             .loss = loss.mutable_values<Acc<T>>()});
  });
  const auto rule = [=, shape = probabilities.shape(), smooth = options.smooth](const Tensor& dy, GradSink& grads) {
    Tensor dp = Tensor::volume(shape, dtype, device);
    dispatch(device, dtype, [&]<class T>(auto& queue, TypeTag<T>) {
      dice_loss_backward(queue, DiceLossGradArgs<T>{.shape = s,
                                                    .labels = labels.values<std::uint8_t>(),
                                                    .weights = weights,
                                                    .counted = class_count,
                                                    .groups = group_count,
                                                    .smooth = smooth,
                                                    .sums = sums.values<double>(),
                                                    .dy = dy.values<Acc<T>>(),
                                                    .dp = dp.mutable_values<T>()});
    });
    grads.add(0, dp);
  };
  return record(Op::dice_loss, loss, {probabilities, labels}, rule);
}

}  // namespace vox
