#pragma once

#include <cstdint>
#include <vector>

#include "kernels/step_values.h"
#include "model/optimizer.h"
#include "model/unet3d.h"

namespace vox {

/// An exponential moving average of a network's weights, beside it on its device; formula in kernels/moving_average.h.
/// The running statistics of batch norm are averaged like the weights that they were measured with, as timm's
/// ModelEmaV2 does with a whole state dict. After step t, counted from 1, the decay is
///   min(decay, (1 + t) / (10 + t)),
/// TensorFlow's tf.train.ExponentialMovingAverage with num_updates: the first steps, whose weights are soon far away,
/// do not stay in it.
class WeightAverage {
 public:
  /// The average begins as the network is. decay: in (0,1).
  WeightAverage(const UNet3d&, double decay);

  /// To be called behind a step of the optimiser, with what it gave: submits the average of what it moved. there: where
  /// a step that is captured (model/step_graph.h) finds next_take() when it runs, or null.
  void submit(const SubmittedStep&, const StepValues* there = nullptr);
  /// 1 - the decay after the step that comes then: of the optimiser that has done so many.
  [[nodiscard]] double next_take(std::int64_t steps) const;

  /// The averaged network.
  [[nodiscard]] const UNet3d& net() const { return average_; }
  /// Its tensors, "ema.<name>": for the checkpoint.
  [[nodiscard]] std::vector<NamedTensor> state() const;

 private:
  struct Pair {
    NamedTensor average;
    Tensor values;
  };

  UNet3d average_;
  std::vector<Pair> pairs_;
  double decay_;
};

}  // namespace vox
