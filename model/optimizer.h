#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/adam.h"
#include "kernels/sgd.h"
#include "kernels/step_values.h"
#include "model/unet3d.h"

namespace vox {

enum class OptimizerKind : std::uint8_t { adam, sgd };
/// "adam", "adamw" (the same: the decay is decoupled in both) or "sgd"; throws Error for another name.
[[nodiscard]] OptimizerKind optimizer_named(const std::string&);

struct OptimizerOptions {
  OptimizerKind kind = OptimizerKind::adam;
  double beta1 = 0.9;  ///< beta1, beta2, eps, epsilon: of Adam
  double beta2 = 0.999;
  double eps = 1e-8;
  AdamEpsilon epsilon = AdamEpsilon::torch;
  double momentum = 0.99;  ///< momentum, nesterov: of SGD
  Nesterov nesterov = Nesterov::on;
  double weight_decay = 0;  ///< of Adam decoupled (AdamW); of SGD L2, added to the clipped gradient
  double clip_norm = 0;     ///< gradients are scaled so that their common 2-norm is at most this; 0: never
};

/// A step of an optimiser whose outcome nobody has looked at yet.
struct SubmittedStep {
  Tensor squares;                         ///< [parameters that move], f64: each gradient's sum of squares; or undefined
  std::vector<const std::string*> names;  ///< of these; the optimiser's
  std::int64_t number = 0;                ///< counted from 1

  /// The gradients' 2-norm before clipping, given the values of `squares`. Throws NonFiniteError naming the first
  /// parameter whose gradient is not finite.
  [[nodiscard]] double norm(std::span<const double> squares) const;
};

/// Adam or SGD over a list of parameters of one type, on one device; formulas in kernels/adam.h and kernels/sgd.h. The
/// moments are tensors like the parameters: Adam has two, SGD one.
class Optimizer {
 public:
  Optimizer(std::vector<NamedTensor> parameters, const OptimizerOptions&);

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
  [[nodiscard]] const OptimizerOptions& options() const { return options_; }

  /// "adam" or "sgd".
  [[nodiscard]] std::string_view name() const;
  /// Moments by parameter name, "adam.m.<name>" and "adam.v.<name>", or "sgd.momentum.<name>": for the checkpoint.
  [[nodiscard]] std::vector<NamedTensor> state() const;
  void set_steps(std::int64_t steps) { steps_ = steps; }

 private:
  struct Slot {
    NamedTensor parameter;
    Tensor first;   ///< Adam's m, SGD's momentum
    Tensor second;  ///< Adam's v; undefined of SGD
  };
  [[nodiscard]] SubmittedStep enqueue(double lr, const StepValues* there);
  template <class T, class Queue>
  void move(Queue&, std::span<Slot* const>, const Tensor& squares, double lr, const StepValues* there) const;
  template <class T> [[nodiscard]] AdamArgs<T> next_adam(double lr) const;  ///< without tensors
  void accept();                                                            ///< the submitted step is done

  std::vector<Slot> slots_;
  OptimizerOptions options_;
  std::int64_t steps_ = 0;
};

}  // namespace vox
