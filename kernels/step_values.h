#pragma once

#include <cstdint>

#include "kernels/adam.h"
#include "kernels/base/queue.h"

namespace vox {

/// What changes from step to step of a training and is not a tensor, in a GPU's memory: the kernels of a step that was
/// captured once and is launched again read it there (DropoutArgs::step_there, AdamArgs::rates_there,
/// SgdArgs::lr_there, MovingAverageArgs::take_there).
struct StepValues {
  std::uint32_t step = 0;  ///< RandomKey::step
  AdamRates<float> f32{};  ///< of parameters in f32
  AdamRates<double> f64{};
  double lr = 0;    ///< of SGD
  double take = 0;  ///< of an average of the weights
};

/// *there = values, by a kernel. The values go along with the launch, so that the caller may change them at once.
void set_step_values(CudaQueue&, const StepValues& values, StepValues* there);
void set_step_values(SimtQueue&, const StepValues& values, StepValues* there);
inline void set_step_values(DryQueue&, const StepValues&, StepValues*) {}

}  // namespace vox
