#pragma once

#include <cstdint>
#include <vector>

#include "kernels/adam.h"
#include "model/unet3d.h"

namespace vox {

struct AdamOptions {
  double beta1 = 0.9;
  double beta2 = 0.999;
  double eps = 1e-8;
  AdamEpsilon epsilon = AdamEpsilon::torch;
  double weight_decay = 0;  ///< decoupled (AdamW); 0 is plain Adam
  double clip_norm = 0;     ///< gradients are scaled so that their common 2-norm is at most this; 0: never
};

/// Adam over a list of parameters of one type, on one device; formulas in kernels/adam.h. The moments are tensors like
/// the parameters.
class Adam {
 public:
  Adam(std::vector<NamedTensor> parameters, const AdamOptions&);

  /// One step with the gradients that backward() left, which are then cleared: submit_step() and finish_step().
  double step(double lr) {
    submit_step(lr);
    return finish_step();
  }

  /// Submits the step and returns at once: what a GPU has to do until then goes on, and more can be submitted. Nothing
  /// moves where the gradients' norm is not finite. A parameter without a gradient is left as it is.
  void submit_step(double lr);
  /// Waits for the submitted step and clears the gradients. Returns their 2-norm before clipping, summed in a fixed
  /// order. Throws NonFiniteError naming the first parameter whose gradient is not finite; nothing has changed then.
  double finish_step();

  [[nodiscard]] std::int64_t steps() const { return steps_; }
  [[nodiscard]] const AdamOptions& options() const { return options_; }

  /// Moments by parameter name, "adam.m.<name>" and "adam.v.<name>": for the checkpoint.
  [[nodiscard]] std::vector<NamedTensor> state() const;
  void set_steps(std::int64_t steps) { steps_ = steps; }

 private:
  struct Slot {
    NamedTensor parameter;
    Tensor m;
    Tensor v;
  };
  std::vector<Slot> slots_;
  AdamOptions options_;
  std::int64_t steps_ = 0;
  std::vector<Slot*> moving_;  ///< of the submitted step
  Tensor squares_;             ///< each one's sum of squares
};

}  // namespace vox
