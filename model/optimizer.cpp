#include "model/optimizer.h"

#include <cmath>

#include "engine/dispatch.h"
#include "kernels/check.h"

namespace vox {

Adam::Adam(std::vector<NamedTensor> parameters, const AdamOptions& options) : options_(options) {
  VOX_CHECK(options.beta1 >= 0 && options.beta1 < 1 && options.beta2 >= 0 && options.beta2 < 1 && options.eps >= 0,
            "adam: beta1 {}, beta2 {}, eps {}: betas want [0,1), eps >= 0", options.beta1, options.beta2, options.eps);
  VOX_CHECK(options.weight_decay >= 0 && options.clip_norm >= 0, "adam: weight decay {} and clip norm {} want >= 0",
            options.weight_decay, options.clip_norm);
  for (NamedTensor& p : parameters) {
    const auto zeros = [&] { return Tensor::zeros(p.tensor.shape(), p.tensor.dtype(), p.tensor.device()); };
    slots_.push_back({.parameter = p, .m = zeros(), .v = zeros()});
  }
}

double Adam::step(double lr) {
  double total = 0;
  for (const Slot& s : slots_) {
    const Tensor grad = s.parameter.tensor.grad();
    if (!grad.defined()) { continue; }
    double sum = 0;
    dispatch(grad.device(), grad.dtype(), [&]<class T>(auto& queue, TypeTag<T>) {
      squared_norm(queue, SquaredNormArgs<T>{.x = grad.values<T>(), .sum = &sum});
    });
    if (!std::isfinite(sum)) {
      fail<NonFiniteError>(__FILE__, __LINE__,
                           fmt::format("the gradient of {} is not finite at step {}", s.parameter.name, steps_ + 1));
    }
    total += sum;
  }
  const double norm = std::sqrt(total);
  const double scale = options_.clip_norm > 0 && norm > options_.clip_norm ? options_.clip_norm / norm : 1.0;

  ++steps_;
  const auto t = static_cast<double>(steps_);
  for (Slot& s : slots_) {
    const Tensor grad = s.parameter.tensor.grad();
    if (!grad.defined()) { continue; }
    dispatch(grad.device(), grad.dtype(), [&]<class T>(auto& queue, TypeTag<T>) {
      adam_step(queue, AdamArgs<T>{.parameter = s.parameter.tensor.mutable_values<T>(),
                                   .grad = grad.values<T>(),
                                   .m = s.m.mutable_values<T>(),
                                   .v = s.v.mutable_values<T>(),
                                   .lr = lr,
                                   .beta1 = options_.beta1,
                                   .beta2 = options_.beta2,
                                   .eps = options_.eps,
                                   .weight_decay = options_.weight_decay,
                                   .gradient_scale = scale,
                                   .beta1_correction = 1 - std::pow(options_.beta1, t),
                                   .beta2_correction = 1 - std::pow(options_.beta2, t),
                                   .epsilon = options_.epsilon});
    });
    s.parameter.tensor.clear_grad();
  }
  return norm;
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
