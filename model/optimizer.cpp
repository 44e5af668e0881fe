#include "model/optimizer.h"

#include <cmath>
#include <type_traits>

#include "engine/dispatch.h"
#include "kernels/base/check.h"
#include "kernels/gradient_squares.h"

namespace vox {

OptimizerKind optimizer_named(const std::string& word) {
  if (word == "adam" || word == "adamw") { return OptimizerKind::adam; }
  VOX_CHECK(word == "sgd", "--optimizer is '{}', wants one of: adam, adamw, sgd", word);
  return OptimizerKind::sgd;
}

Optimizer::Optimizer(std::vector<NamedTensor> parameters, const OptimizerOptions& options) : options_(options) {
  const bool is_adam = options.kind == OptimizerKind::adam;
  VOX_CHECK(!is_adam || (options.beta1 >= 0 && options.beta1 < 1 && options.beta2 >= 0 && options.beta2 < 1 &&
                         options.eps >= 0),
            "adam: beta1 {}, beta2 {}, eps {}: betas want [0,1), eps >= 0", options.beta1, options.beta2, options.eps);
  VOX_CHECK(is_adam || (options.momentum >= 0 && options.momentum < 1), "sgd: momentum is {}, wants [0,1)",
            options.momentum);
  VOX_CHECK(options.weight_decay >= 0 && options.clip_norm >= 0, "{}: weight decay {} and clip norm {} want >= 0",
            name(), options.weight_decay, options.clip_norm);
  for (NamedTensor& p : parameters) {
    const Tensor& first = parameters.front().tensor;
    VOX_CHECK(p.tensor.dtype() == first.dtype() && p.tensor.device() == first.device(),
              "{}: {} is {} on {}, wants {} on {} as {} is", name(), p.name, vox::name(p.tensor.dtype()),
              vox::name(p.tensor.device()), vox::name(first.dtype()), vox::name(first.device()),
              parameters.front().name);
    const auto zeros = [&] { return Tensor::zeros(p.tensor.shape(), p.tensor.dtype(), p.tensor.device()); };
    slots_.push_back({.parameter = p, .first = zeros(), .second = is_adam ? zeros() : Tensor()});
  }
}

std::string_view Optimizer::name() const { return options_.kind == OptimizerKind::adam ? "adam" : "sgd"; }

namespace {

template <class T> const AdamRates<Acc<T>>* rates_of(const StepValues* there) {
  if (there == nullptr) { return nullptr; }
  if constexpr (std::is_same_v<Acc<T>, double>) {
    return &there->f64;
  } else {
    return &there->f32;
  }
}

}  // namespace

double SubmittedStep::norm(std::span<const double> of) const {
  double total = 0;
  for (std::size_t k = 0; k < names.size(); ++k) {
    total += of[k];
    if (!std::isfinite(total)) {
      fail<NonFiniteError>(__FILE__, __LINE__,
                           fmt::format("the gradient of {} is not finite at step {}", *names[k], number));
    }
  }
  return std::sqrt(total);
}

double Optimizer::step(double lr) {
  const SubmittedStep s = enqueue(lr, nullptr);
  const double norm = s.norm(s.squares.defined() ? s.squares.to_doubles() : std::vector<double>());
  accept();
  return norm;
}

SubmittedStep Optimizer::submit_step(double lr) {
  SubmittedStep s = enqueue(lr, nullptr);
  accept();
  return s;
}

SubmittedStep Optimizer::submit_repeatable(const StepValues* there) {
  SubmittedStep s = enqueue(0, there);
  accept();
  return s;
}

void Optimizer::next_rates(double lr, StepValues& values) const {
  values.lr = lr;
  if (options_.kind != OptimizerKind::adam) { return; }
  values.f32 = adam_rates<float>(next_adam<float>(lr));
  values.f64 = adam_rates<double>(next_adam<double>(lr));
}

void Optimizer::repeated(SubmittedStep& step) {
  accept();
  step.number = steps_;
}

template <class T> AdamArgs<T> Optimizer::next_adam(double lr) const {
  const auto t = static_cast<double>(steps_ + 1);
  return {.tensors = {},
          .squares = {},
          .clip_norm = options_.clip_norm,
          .lr = lr,
          .beta1 = options_.beta1,
          .beta2 = options_.beta2,
          .eps = options_.eps,
          .weight_decay = options_.weight_decay,
          .beta1_correction = 1 - std::pow(options_.beta1, t),
          .beta2_correction = 1 - std::pow(options_.beta2, t),
          .epsilon = options_.epsilon};
}

void Optimizer::accept() {
  ++steps_;
  for (Slot& s : slots_) { s.parameter.tensor.clear_grad(); }
}

SubmittedStep Optimizer::enqueue(double lr, const StepValues* there) {
  SubmittedStep submitted{.squares = {}, .names = {}, .number = steps_ + 1};
  std::vector<Slot*> moving;
  for (Slot& s : slots_) {
    if (!s.parameter.tensor.grad().defined()) { continue; }
    moving.push_back(&s);
    submitted.names.push_back(&s.parameter.name);
  }
  if (moving.empty()) { return submitted; }
  const Tensor& first = moving.front()->parameter.tensor;
  Tensor squares({std::ssize(moving)}, DType::f64, first.device());
  dispatch(first.device(), first.dtype(), [&]<class T>(auto& queue, TypeTag<T>) {
    std::vector<std::span<const T>> grads;
    for (const Slot* s : moving) { grads.push_back(s->parameter.tensor.grad().values<T>()); }
    const std::span<const std::span<const T>> list(grads);
    Tensor partials({gradient_squares_scratch(queue, list)}, DType::f64, first.device());
    gradient_squares(queue, GradientSquaresArgs<T>{.grads = list,
                                                   .partials = partials.mutable_values<double>(),
                                                   .sums = squares.mutable_values<double>()});
    move<T>(queue, moving, squares, lr, there);
  });
  submitted.squares = squares;
  return submitted;
}

template <class T, class Queue>
void Optimizer::move(Queue& queue, std::span<Slot* const> slots, const Tensor& squares, double lr,
                     const StepValues* there) const {
  if (options_.kind == OptimizerKind::adam) {
    std::vector<AdamTensor<T>> tensors;
    for (Slot* s : slots) {
      tensors.push_back({.parameter = s->parameter.tensor.mutable_values<T>(),
                         .grad = s->parameter.tensor.grad().values<T>(),
                         .m = s->first.mutable_values<T>(),
                         .v = s->second.mutable_values<T>()});
    }
    AdamArgs<T> args = next_adam<T>(lr);
    args.tensors = tensors;
    args.squares = squares.values<double>();
    args.rates_there = rates_of<T>(there);
    adam_step(queue, args);
    return;
  }
  std::vector<SgdTensor<T>> tensors;
  for (Slot* s : slots) {
    tensors.push_back({.parameter = s->parameter.tensor.mutable_values<T>(),
                       .grad = s->parameter.tensor.grad().values<T>(),
                       .momentum = s->first.mutable_values<T>()});
  }
  sgd_step(queue, SgdArgs<T>{.tensors = tensors,
                             .squares = squares.values<double>(),
                             .clip_norm = options_.clip_norm,
                             .lr = lr,
                             .momentum = options_.momentum,
                             .weight_decay = options_.weight_decay,
                             .nesterov = options_.nesterov,
                             .lr_there = there == nullptr ? nullptr : &there->lr});
}

std::vector<NamedTensor> Optimizer::state() const {
  std::vector<NamedTensor> all;
  const bool is_adam = options_.kind == OptimizerKind::adam;
  for (const Slot& s : slots_) {
    all.push_back({(is_adam ? "adam.m." : "sgd.momentum.") + s.parameter.name, s.first});
    if (is_adam) { all.push_back({"adam.v." + s.parameter.name, s.second}); }
  }
  return all;
}

}  // namespace vox
