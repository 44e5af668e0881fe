#include "engine/gradcheck.h"

#include <fmt/format.h>

#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "engine/tape.h"
#include "kernels/base/check.h"
#include "kernels/base/philox.h"

namespace vox {
namespace {

/// An element's place in C order, as one index per axis.
std::string place_of(const Shape& shape, std::int64_t index) {
  std::vector<std::int64_t> axes(shape.rank());
  for (std::size_t behind = shape.rank(); behind > 0; --behind) {
    const std::size_t axis = behind - 1;
    axes[axis] = index % shape[axis];
    index /= shape[axis];
  }
  return fmt::format("[{}]", fmt::join(axes, ","));
}

/// Where an element lies among the stored values.
std::int64_t stored_at(const Tensor& t, std::int64_t index) {
  if (t.layout() == Layout::plain) { return index; }
  const VolumeShape s = t.shape().volume();
  return s.at(index / (s.c * s.voxels()), index / s.voxels() % s.c, index % s.voxels());
}

template <class T> Tensor copy_of(const Tensor& t) {
  Tensor copy = Tensor::like(t);
  std::ranges::copy(t.values<T>(), copy.mutable_values<T>().begin());
  return copy;
}

Tensor deep_copy(const Tensor& t) {
  if (!t.defined()) { return {}; }
  switch (t.dtype()) {
    case DType::f32:
      return copy_of<float>(t);
    case DType::f64:
      return copy_of<double>(t);
    case DType::bf16:
      return copy_of<Bf16>(t);
    case DType::u8:
      return copy_of<std::uint8_t>(t);
  }
  VOX_FAIL("gradcheck: unknown dtype");
}

/// What arrives at y: of either sign, between 0.5 and 1.5 in size, and never all the same.
std::vector<double> arriving(std::int64_t count, std::uint64_t seed) {
  std::vector<double> dy(static_cast<std::size_t>(count));
  for (std::size_t i = 0; i < dy.size(); ++i) {
    const Philox4 random = random4({.seed = seed, .step = 0, .place = 0}, i);
    dy[i] = (0.5 + unit(random.v[0])) * (random.v[1] % 2 == 0 ? 1 : -1);
  }
  return dy;
}

/// A function under check, on fresh copies of its inputs each time.
class Subject {
 public:
  Subject(const GradcheckFunction& function, const std::vector<Tensor>& inputs, const GradcheckOptions& options)
      : function_(function), inputs_(inputs), seed_(options.seed), device_(options.device) {}

  /// sum(dy * function), with `shift` added to one element.
  [[nodiscard]] double loss(std::size_t input, std::int64_t index, double shift) const {
    const NoGradScope no_grad;
    std::vector<Tensor> at = copies();
    at[input].mutable_values<double>()[static_cast<std::size_t>(stored_at(at[input], index))] += shift;
    const std::vector<double> y = checked(function_(moved(at))).to_doubles();
    const std::vector<double> dy = arriving(std::ssize(y), seed_);
    return std::inner_product(y.begin(), y.end(), dy.begin(), 0.0);
  }

  /// The tape's gradients; undefined where it gave none.
  [[nodiscard]] std::vector<Tensor> gradients() const {
    std::vector<Tensor> at = moved(copies());
    for (std::size_t k = 0; k < at.size(); ++k) {
      if (inputs_[k].wants_grad()) { at[k].requires_grad(); }
    }
    const Tensor y = checked(function_(at));
    if (y.wants_grad()) { backward(y, like(y, arriving(y.shape().count(), seed_))); }
    std::vector<Tensor> gradients;
    gradients.reserve(at.size());
    for (const Tensor& t : at) { gradients.push_back(t.wants_grad() ? t.grad() : Tensor()); }
    return gradients;
  }

 private:
  [[nodiscard]] std::vector<Tensor> moved(std::vector<Tensor> at) const {
    for (Tensor& t : at) { t = t.defined() ? t.to(device_) : t; }
    return at;
  }
  [[nodiscard]] std::vector<Tensor> copies() const {
    std::vector<Tensor> copies(inputs_.size());
    std::ranges::transform(inputs_, copies.begin(), deep_copy);
    return copies;
  }
  static Tensor like(const Tensor& y, const std::vector<double>& values) {
    const Tensor host = y.layout() == Layout::blocked ? Tensor::volume_of<double>(y.shape(), values)
                                                      : Tensor::of<double>(y.shape(), values);
    return host.to(y.device());
  }
  static Tensor checked(Tensor y) {
    VOX_CHECK(y.defined() && y.dtype() == DType::f64, "gradcheck: the function gives {}, wants f64",
              y.defined() ? name(y.dtype()) : "nothing");
    return y;
  }

  const GradcheckFunction& function_;
  const std::vector<Tensor>& inputs_;
  std::uint64_t seed_;
  Device device_;
};

/// Error of order step^4.
double difference_quotient(const Subject& subject, std::size_t input, std::int64_t index, double step) {
  const auto central = [&](double h) {
    return (subject.loss(input, index, h) - subject.loss(input, index, -h)) / (2 * h);
  };
  return (4 * central(step) - central(2 * step)) / 3;
}

GradcheckInput compare(const Subject& subject, std::size_t input, const Shape& shape, const Tensor& gradient,
                       const GradcheckOptions& options) {
  const auto count = static_cast<std::size_t>(shape.count());
  const std::vector<double> analytic = gradient.defined() ? gradient.to_doubles() : std::vector<double>(count, 0.0);
  std::vector<double> numeric(count);
  for (std::size_t i = 0; i < count; ++i) {
    numeric[i] = difference_quotient(subject, input, static_cast<std::int64_t>(i), options.step);
  }
  double largest = 0;
  for (const double g : numeric) {
    if (std::isfinite(g)) { largest = std::max(largest, std::abs(g)); }  // an infinite one would allow every error
  }
  GradcheckInput worst{.input = input,
                       .shape = shape,
                       .index = 0,
                       .analytic = 0,
                       .numeric = 0,
                       .allowed = options.absolute + options.relative * largest,
                       .missing = !gradient.defined()};
  for (std::size_t i = 0; i < count && worst.finite(); ++i) {
    GradcheckInput here = worst;
    here.index = static_cast<std::int64_t>(i);
    here.analytic = analytic[i];
    here.numeric = numeric[i];
    if (!here.finite() || here.error() > worst.error()) { worst = here; }
  }
  return worst;
}

/// What is wrong with an input that fails.
std::string fault_of(const GradcheckInput& in) {
  if (in.finite()) { return fmt::format("off by {:.2g}, allowed {:.2g}", in.error(), in.allowed); }
  std::string text;
  if (!std::isfinite(in.analytic)) { text = "the gradient is not finite"; }
  if (!std::isfinite(in.numeric)) {
    text += text.empty() ? "" : "; ";
    text += "the difference quotient is not finite: the function is infinite, NaN or too large within two steps of it";
  }
  return text;
}

}  // namespace

double GradcheckInput::error() const { return std::abs(analytic - numeric); }

bool GradcheckInput::finite() const { return std::isfinite(analytic) && std::isfinite(numeric); }

bool GradcheckResult::ok() const { return std::ranges::all_of(inputs, &GradcheckInput::ok); }

std::string GradcheckResult::message() const {
  std::string text;
  for (const GradcheckInput& in : inputs) {
    if (in.ok()) { continue; }
    text += fmt::format("{}input {} {} element {}: gradient {:.9g}{}, difference quotient {:.9g}: {}",
                        text.empty() ? "" : "\n", in.input, in.shape.str(), place_of(in.shape, in.index), in.analytic,
                        in.missing ? " (the tape gave none)" : "", in.numeric, fault_of(in));
  }
  return text;
}

GradcheckResult gradcheck(const GradcheckFunction& function, const std::vector<Tensor>& inputs,
                          const GradcheckOptions& options) {
  VOX_CHECK(options.step > 0, "gradcheck: step is {}, wants more than 0", options.step);
  VOX_CHECK(std::ranges::any_of(inputs, &Tensor::wants_grad), "gradcheck: no input requires a gradient");
  for (std::size_t k = 0; k < inputs.size(); ++k) {
    VOX_CHECK(!inputs[k].wants_grad() || (inputs[k].dtype() == DType::f64 && inputs[k].device() == Device::cpu),
              "gradcheck: input {} is {} on {}, wants f64 on cpu", k, name(inputs[k].dtype()),
              name(inputs[k].device()));
  }
  const Subject subject(function, inputs, options);
  const std::vector<Tensor> gradients = subject.gradients();
  GradcheckResult result;
  for (std::size_t k = 0; k < inputs.size(); ++k) {
    if (!inputs[k].wants_grad()) { continue; }
    const Shape& shape = inputs[k].shape();
    VOX_CHECK(shape.count() > 0, "gradcheck: input {} is {}, wants at least one value", k, shape.str());
    if (result.inputs.empty()) {
      const double once = subject.loss(k, 0, 0);
      const double again = subject.loss(k, 0, 0);
      VOX_CHECK(once == again || (std::isnan(once) && std::isnan(again)),
                "gradcheck: the function gives {} and then {} for the same inputs", once, again);
    }
    result.inputs.push_back(compare(subject, k, shape, gradients[k], options));
  }
  return result;
}

}  // namespace vox
