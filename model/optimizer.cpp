#include "model/optimizer.h"

#include <cmath>
#include <type_traits>

#include "engine/dispatch.h"
#include "kernels/base/check.h"

namespace vox {

Adam::Adam(std::vector<NamedTensor> parameters, const AdamOptions& options) : options_(options) {
  VOX_CHECK(options.beta1 >= 0 && options.beta1 < 1 && options.beta2 >= 0 && options.beta2 < 1 && options.eps >= 0,
            "adam: beta1 {}, beta2 {}, eps {}: betas want [0,1), eps >= 0", options.beta1, options.beta2, options.eps);
  VOX_CHECK(options.weight_decay >= 0 && options.clip_norm >= 0, "adam: weight decay {} and clip norm {} want >= 0",
            options.weight_decay, options.clip_norm);
  for (NamedTensor& p : parameters) {
    const Tensor& first = parameters.front().tensor;
    VOX_CHECK(p.tensor.dtype() == first.dtype() && p.tensor.device() == first.device(),
              "adam: {} is {} on {}, wants {} on {} as {} is", p.name, name(p.tensor.dtype()), name(p.tensor.device()),
              name(first.dtype()), name(first.device()), parameters.front().name);
    const auto zeros = [&] { return Tensor::zeros(p.tensor.shape(), p.tensor.dtype(), p.tensor.device()); };
    slots_.push_back({.parameter = p, .m = zeros(), .v = zeros()});
  }
}

namespace {

template <class T> const AdamRates<Acc<T>>* rates_of(const StepValues& there) {
  if constexpr (std::is_same_v<Acc<T>, double>) {
    return &there.f64;
  } else {
    return &there.f32;
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

double Adam::step(double lr) {
  const SubmittedStep s = enqueue(lr, nullptr);
  const double norm = s.norm(s.squares.defined() ? s.squares.to_doubles() : std::vector<double>());
  accept();
  return norm;
}

SubmittedStep Adam::submit_step(double lr) {
  SubmittedStep s = enqueue(lr, nullptr);
  accept();
  return s;
}

SubmittedStep Adam::submit_repeatable(const StepValues* there) {
  SubmittedStep s = enqueue(0, there);
  accept();
  return s;
}

void Adam::next_rates(double lr, StepValues& values) const {
  values.f32 = adam_rates<float>(next_args<float>(lr));
  values.f64 = adam_rates<double>(next_args<double>(lr));
}

void Adam::repeated(SubmittedStep& step) {
  accept();
  step.number = steps_;
}

template <class T> AdamArgs<T> Adam::next_args(double lr) const {
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

void Adam::accept() {
  ++steps_;
  for (Slot& s : slots_) { s.parameter.tensor.clear_grad(); }
}

SubmittedStep Adam::enqueue(double lr, const StepValues* there) {
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
    std::vector<AdamTensor<T>> tensors;
    for (Slot* s : moving) {
      tensors.push_back({.parameter = s->parameter.tensor.mutable_values<T>(),
                         .grad = s->parameter.tensor.grad().values<T>(),
                         .m = s->m.mutable_values<T>(),
                         .v = s->v.mutable_values<T>()});
    }
    const std::span<const AdamTensor<T>> list(tensors);
    Tensor partials({adam_squares_scratch(queue, list)}, DType::f64, first.device());
    adam_squares(queue, AdamSquaresArgs<T>{.tensors = list,
                                           .partials = partials.mutable_values<double>(),
                                           .sums = squares.mutable_values<double>()});
    AdamArgs<T> args = next_args<T>(lr);
    args.tensors = list;
    args.squares = squares.values<double>();
    if (there != nullptr) { args.rates_there = rates_of<T>(*there); }
    adam_step(queue, args);
  });
  submitted.squares = squares;
  return submitted;
}

std::vector<NamedTensor> Adam::state() const {
  std::vector<NamedTensor> all;
  for (const Slot& s : slots_) {
    all.push_back({"adam.m." + s.parameter.name, s.m});
    all.push_back({"adam.v." + s.parameter.name, s.v});
  }
  return all;
}

}  // namespace vox
