#pragma once

#include <functional>
#include <initializer_list>
#include <memory>
#include <span>
#include <string_view>

#include "engine/ops.h"
#include "engine/tensor.h"

namespace vox {

struct GradSlot;      // engine/tensor_body.h
struct GradientSums;  // engine/ops/normalise.h

/// What a backward rule writes into: one slot per input of the op, null for an input that wants no gradient.
class GradSink {
 public:
  GradSink(Op op, std::span<const std::shared_ptr<GradSlot>> inputs) : op_(op), inputs_(inputs) {}
  [[nodiscard]] bool wants(std::size_t input) const;
  void add(std::size_t input, const Tensor& grad);  ///< shape, dtype and layout must be the input's
  /// Takes out the sum so far: the rule adds its own share to it in place and gives it back by add(). Undefined where
  /// there is no sum yet, or where another handle sees it.
  [[nodiscard]] Tensor take(std::size_t input);
  /// The sums that the op which made the input takes of its gradient, where this op alone gives it one: a rule that can
  /// take them in passing does, and gives the gradient by one add(). Null where nobody wants sums, or others add to it.
  [[nodiscard]] GradientSums* sums(std::size_t input) const;

 private:
  Op op_;
  std::span<const std::shared_ptr<GradSlot>> inputs_;
};

using Backward = std::function<void(const Tensor& dy, GradSink& dx)>;

/// Ties y to the inputs it came from, when one of them wants a gradient and no NoGradScope is open. An undefined tensor
/// is an input that was left out. An op that has no derivative passes no_gradient, never an empty rule.
/// The tape keeps no input's values: a rule captures the tensors it reads, detached(), and nothing else.
[[nodiscard]] Tensor record(Op, Tensor y, std::initializer_list<Tensor> inputs, Backward);
[[nodiscard]] Backward no_gradient(Op op);  ///< throws when backward() reaches it

/// The same for an operator of the caller's own, by its name: see own_op(), which can also be asked once.
///   Tensor cube(const Tensor& x) {
///     const Tensor v = x.detached();  // whose operators record nothing
///     return record("cube", mul(mul(v, v), v), {x},
///                   [v](const Tensor& dy, GradSink& dx) { dx.add(0, scale(mul(mul(v, v), dy), 3)); });
///   }
[[nodiscard]] Tensor record(std::string_view name, Tensor y, std::initializer_list<Tensor> inputs, Backward);
[[nodiscard]] Backward no_gradient(std::string_view name);

/// The op that made y will take these sums of the gradient that arrives at y: whoever makes it may do so before.
void wants_sums(const Tensor& y, std::shared_ptr<GradientSums>);

/// Whether record() would tie a result to these inputs.
[[nodiscard]] bool records(std::initializer_list<Tensor> inputs);

/// Told about every op of the calling thread when it has run: for profiles.
class TapeListener {
 public:
  virtual ~TapeListener() = default;
  /// number: of the recorded op, which ran_backward() will name; inputs as record() takes them.
  virtual void ran_forward(Op, const Tensor& y, std::span<const Tensor> inputs, std::uint64_t number) = 0;
  /// dy: the gradient that arrived at y; the rule, which runs next, may overwrite it.
  virtual void gradient_arrived(std::uint64_t number, const Tensor& dy);
  virtual void ran_backward(std::uint64_t number) = 0;
};
/// Sets the calling thread's; null: nobody. Returns the one before.
TapeListener* set_tape_listener(TapeListener*);

/// While one lives, ops of this thread record nothing and save nothing.
class NoGradScope {
 public:
  NoGradScope();
  ~NoGradScope();
  NoGradScope(const NoGradScope&) = delete;
  NoGradScope& operator=(const NoGradScope&) = delete;
  NoGradScope(NoGradScope&&) = delete;
  NoGradScope& operator=(NoGradScope&&) = delete;

 private:
  bool before_;
};

/// Adds to grad() of every leaf below y, given dy, the gradient that arrives at y (shape, dtype and layout of y).
/// Newest op first, so every sum of gradients forms in the same order each time. What an op saved for its rule is
/// released as soon as the rule has run, so a second backward() through the same op throws.
void backward(const Tensor& y, const Tensor& dy);

/// backward() from a loss: one value, whose own gradient is 1.
void backward(const Tensor& loss);

}  // namespace vox
