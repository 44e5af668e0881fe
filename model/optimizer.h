#pragma once

#include <cstdint>
#include <vector>

#include "kernels/adam.h"
#include "kernels/step_values.h"
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
/// A step of Adam whose outcome nobody has looked at yet.
struct SubmittedStep {
  Tensor squares;                         ///< [parameters that move], f64: each gradient's sum of squares; or undefined
  std::vector<const std::string*> names;  ///< of these; the optimiser's
  std::int64_t number = 0;                ///< counted from 1

  /// The gradients' 2-norm before clipping, given the values of `squares`. Throws NonFiniteError naming the first
  /// parameter whose gradient is not finite.
  [[nodiscard]] double norm(std::span<const double> squares) const;
};

class Adam {
 public:
  Adam(std::vector<NamedTensor> parameters, const AdamOptions&);

  /// One step with the gradients that backward() left, which are then cleared. All is submitted before the host waits
  /// for the device, once. Returns the gradients' 2-norm before clipping, summed in a fixed order. Throws
  /// NonFiniteError naming the first parameter whose gradient is not finite; nothing has changed then. A parameter
  /// without a gradient is left as it is.
  double step(double lr);
  /// The same without waiting. Where a gradient is not finite nothing moves, but the step is counted and its gradients
  /// are gone when SubmittedStep::norm() finds it.
  [[nodiscard]] SubmittedStep submit_step(double lr);

  // Of a step that is captured and launched again (model/step_graph.h):

  /// submit_step() whose kernels find next_rates() there when they run.
  [[nodiscard]] SubmittedStep submit_repeatable(const StepValues* there);
  /// What lr and the number of the next step come to, for either type of parameters.
  void next_rates(double lr, StepValues&) const;
  /// Counts a step that was submitted before and whose launches have been submitted again; gives it the new number.
  void repeated(SubmittedStep&);

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
  [[nodiscard]] SubmittedStep enqueue(double lr, const StepValues* there);
  template <class T> [[nodiscard]] AdamArgs<T> next_args(double lr) const;  ///< without tensors
  void accept();                                                            ///< the submitted step is done

  std::vector<Slot> slots_;
  AdamOptions options_;
  std::int64_t steps_ = 0;
};

}  // namespace vox
