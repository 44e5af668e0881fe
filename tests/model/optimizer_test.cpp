#include "model/optimizer.h"

#include <fmt/core.h>

#include <cmath>
#include <limits>

#include "engine/tape.h"
#include "kernels/base/check.h"
#include "kernels/gradient_squares.h"
#include "tests/engine/op_case.h"
#include "tests/model/optimizer_case.h"
#include "tests/support/catch.h"

namespace vox::test {
namespace {

constexpr std::int64_t kCount = 37;  // no multiple of a vector

/// The formulas of kernels/adam.h, one value at a time.
struct Reference {
  OptimizerOptions options;
  Values p;
  Values m = Values(p.size());
  Values v = Values(p.size());
  int t = 0;

  void step(const Values& grad, double lr, double gradient_scale) {
    ++t;
    const double c1 = 1 - std::pow(options.beta1, t);
    const double c2 = 1 - std::pow(options.beta2, t);
    for (std::size_t i = 0; i < p.size(); ++i) {
      const double g = grad[i] * gradient_scale;
      p[i] *= 1 - lr * options.weight_decay;
      m[i] = options.beta1 * m[i] + (1 - options.beta1) * g;
      v[i] = options.beta2 * v[i] + (1 - options.beta2) * g * g;
      p[i] -= options.epsilon == AdamEpsilon::torch ? lr * (m[i] / c1) / (std::sqrt(v[i] / c2) + options.eps)
                                                    : lr * std::sqrt(c2) / c1 * m[i] / (std::sqrt(v[i]) + options.eps);
    }
  }
};

}  // namespace

TEST_CASE("Adam follows its formula with each epsilon, with decay and clipping, on each device",
          "[optimizer][simt][cuda]") {
  for (const Device device : optimizer_devices()) {
    for (const AdamEpsilon epsilon : {AdamEpsilon::torch, AdamEpsilon::keras}) {
      for (const double decay : {0.0, 0.1}) {
        for (const double clip : {0.0, 0.5}) {
          const OptimizerOptions options{.eps = 1e-3, .epsilon = epsilon, .weight_decay = decay, .clip_norm = clip};
          for (const DType dtype : {DType::f64, DType::f32}) {
            const Tensor p = leaf(make_values(kCount, 1), dtype, device);
            Optimizer adam({{"p", p}}, options);
            Reference reference{.options = options, .p = make_values(kCount, 1)};
            for (unsigned step = 0; step < 5; ++step) {
              const Values g = make_values(kCount, 10 + step);
              double norm = 0;
              for (const double x : g) { norm += x * x; }
              norm = std::sqrt(norm);
              set_gradient(p, g);
              const double reported = adam.step(0.01);
              CHECK(std::abs(reported - norm) <= 1e-12 * norm);
              reference.step(g, 0.01, clip > 0 && norm > clip ? clip / norm : 1.0);
            }
            CHECK(worst(p.to_doubles(), reference.p) <= (dtype == DType::f64 ? 1e-14 : 4e-6));
            CHECK_FALSE(p.grad().defined());
          }
        }
      }
    }
  }
}

TEST_CASE("one step moves many tensors of any size, clipped by their common norm", "[optimizer][simt][cuda]") {
  // More than one launch takes, more than one chunk of a launch, and sizes that are no multiple of anything.
  constexpr std::size_t kTensors = 70;
  const auto size = [](std::size_t k) { return k == 3 ? 2 * kTensorChunk + 5 : 1 + static_cast<std::int64_t>(k % 9); };
  for (const Device device : optimizer_devices()) {
    std::vector<NamedTensor> parameters;
    std::vector<Reference> references;
    const OptimizerOptions options{.weight_decay = 0.1, .clip_norm = 0.5};
    for (std::size_t k = 0; k < kTensors; ++k) {
      const Values start = make_values(size(k), static_cast<unsigned>(k));
      parameters.push_back({fmt::format("p{}", k), leaf(start, DType::f64, device)});
      references.push_back({.options = options, .p = start});
    }
    Optimizer adam(parameters, options);
    for (unsigned step = 0; step < 2; ++step) {
      double squares = 0;
      std::vector<Values> grads;
      for (std::size_t k = 0; k < kTensors; ++k) {
        grads.push_back(make_values(size(k), 100 * step + static_cast<unsigned>(k)));
        for (const double g : grads.back()) { squares += g * g; }
        set_gradient(parameters[k].tensor, grads.back());
      }
      const double norm = std::sqrt(squares);
      CHECK(std::abs(adam.step(0.01) - norm) <= 1e-12 * norm);
      for (std::size_t k = 0; k < kTensors; ++k) { references[k].step(grads[k], 0.01, options.clip_norm / norm); }
    }
    for (std::size_t k = 0; k < kTensors; ++k) {
      INFO("tensor " << k << " on " << name(device));
      CHECK(worst(parameters[k].tensor.to_doubles(), references[k].p) <= 1e-14);
    }
  }
}

TEST_CASE("the two places of epsilon are not the same step", "[optimizer]") {
  const auto after = [](AdamEpsilon epsilon) {
    const Tensor p = leaf({1.0}, DType::f64);
    Optimizer adam({{"p", p}}, {.eps = 0.1, .epsilon = epsilon});
    set_gradient(p, {0.5});
    adam.step(0.01);
    return p.item();
  };
  CHECK(std::abs(after(AdamEpsilon::torch) - after(AdamEpsilon::keras)) > 1e-4);
}

TEST_CASE("a gradient that is not finite stops the step before anything changes", "[optimizer][simt][cuda]") {
  for (const Device device : optimizer_devices()) {
    for (const double bad : {std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity()}) {
      const Tensor a = leaf({1.0, 2.0}, DType::f32, device);
      const Tensor b = leaf({3.0}, DType::f32, device);
      Optimizer adam({{"first", a}, {"second", b}}, {.weight_decay = 0.5, .clip_norm = 1});
      set_gradient(a, {0.5, 0.5});
      set_gradient(b, {bad});
      CHECK_THROWS_WITH(adam.step(0.1), ContainsSubstring("the gradient of second is not finite at step 1"));
      CHECK_THROWS_AS(adam.step(0.1), NonFiniteError);
      CHECK(a.to_doubles() == Values{1.0, 2.0});
      CHECK(b.to_doubles() == Values{3.0});
      for (const NamedTensor& moment : adam.state()) {
        const Values values = moment.tensor.to_doubles();
        CHECK(values == Values(values.size()));
      }
      CHECK(adam.steps() == 0);
    }
  }
}

TEST_CASE("a parameter without a gradient stays", "[optimizer]") {
  const Tensor a = leaf({1.0}, DType::f32);
  const Tensor b = leaf({3.0}, DType::f32);
  Optimizer adam({{"a", a}, {"b", b}}, {.weight_decay = 0.5});
  set_gradient(a, {0.5});
  adam.step(0.1);
  CHECK(a.item() < 1.0);
  CHECK(b.item() == 3.0);
}

TEST_CASE("Adam refuses options that make no sense", "[optimizer]") {
  CHECK_THROWS_AS(Optimizer({}, {.beta1 = 1.0}), Error);
  CHECK_THROWS_AS(Optimizer({}, {.weight_decay = -1.0}), Error);
  const Tensor a = leaf({1.0}, DType::f32);
  const Tensor b = leaf({1.0}, DType::f64);
  CHECK_THROWS_WITH(Optimizer({{"a", a}, {"b", b}}, {}),
                    ContainsSubstring("adam: b is f64 on cpu, wants f32 on cpu as a is"));
}

}  // namespace vox::test
