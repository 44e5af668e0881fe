#include "model/weight_average.h"

#include <algorithm>

#include "engine/dispatch.h"
#include "engine/tape.h"
#include "kernels/base/check.h"
#include "kernels/moving_average.h"

namespace vox {
namespace {

/// For inference alone: nothing of it is packed beforehand.
UNet3d unrecorded(const UNet3d& net) {
  const NoGradScope no_grad;
  UNet3d same(net.config(), net.dtype(), kNoWeights, net.device());
  same.set_fusion(net.fusion());
  return same;
}

}  // namespace

WeightAverage::WeightAverage(const UNet3d& net, double decay) : average_(unrecorded(net)), decay_(decay) {
  VOX_CHECK(decay > 0 && decay < 1, "average of the weights: the decay is {}, wants a number between 0 and 1", decay);
  const auto pair_up = [&](const std::vector<NamedTensor>& averages, const std::vector<NamedTensor>& values) {
    for (std::size_t i = 0; i < values.size(); ++i) { pairs_.push_back({averages[i], values[i].tensor}); }
  };
  pair_up(average_.parameters(), net.parameters());
  pair_up(average_.buffers(), net.buffers());
  for (Pair& p : pairs_) { p.average.tensor.assign(p.values); }
}

double WeightAverage::next_take(std::int64_t steps) const {
  const auto t = static_cast<double>(steps + 1);
  return 1 - std::min(decay_, (1 + t) / (10 + t));
}

void WeightAverage::submit(const SubmittedStep& step, const StepValues* there) {
  const Tensor& first = pairs_.front().values;
  dispatch(first.device(), first.dtype(), [&]<class T>(auto& queue, TypeTag<T>) {
    std::vector<MovingAverageTensor<T>> tensors;
    for (Pair& p : pairs_) {
      tensors.push_back({.average = p.average.tensor.mutable_values<T>(), .values = p.values.values<T>()});
    }
    MovingAverageArgs<T> args{.tensors = tensors, .squares = {}, .take = next_take(step.number - 1)};
    if (step.squares.defined()) { args.squares = step.squares.values<double>(); }
    if (there != nullptr) { args.take_there = &there->take; }
    moving_average(queue, args);
  });
}

std::vector<NamedTensor> WeightAverage::state() const {
  std::vector<NamedTensor> all;
  for (const Pair& p : pairs_) { all.push_back({"ema." + p.average.name, p.average.tensor}); }
  return all;
}

}  // namespace vox
