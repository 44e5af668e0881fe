#include "model/optimizer.h"

#include <cmath>

#include "engine/tape.h"
#include "kernels/check.h"
#include "tests/catch.h"
#include "tests/op_case.h"

namespace vox::test {
namespace {

constexpr std::int64_t kCount = 37;  // no multiple of a vector

Tensor leaf(const Values& v, DType dtype) { return to_tensor(v, {std::ssize(v)}, Kind::plain, dtype).requires_grad(); }

/// Gives a leaf the gradient g: backward of sum(p * g).
void set_gradient(const Tensor& p, const Values& g) {
  backward(sum(mul(p, to_tensor(g, p.shape(), Kind::plain, p.dtype()))));
}

/// The formulas of kernels/adam.h, one value at a time.
struct Reference {
  AdamOptions options;
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

double worst(const Values& got, const Values& wants) {
  double error = 0;
  for (std::size_t i = 0; i < wants.size(); ++i) { error = std::max(error, std::abs(got[i] - wants[i])); }
  return error;
}

}  // namespace

TEST_CASE("Adam follows its formula with each epsilon, with decay and clipping", "[optimizer]") {
  for (const AdamEpsilon epsilon : {AdamEpsilon::torch, AdamEpsilon::keras}) {
    for (const double decay : {0.0, 0.1}) {
      for (const double clip : {0.0, 0.5}) {
        const AdamOptions options{.eps = 1e-3, .epsilon = epsilon, .weight_decay = decay, .clip_norm = clip};
        for (const DType dtype : {DType::f64, DType::f32}) {
          const Tensor p = leaf(make_values(kCount, 1), dtype);
          Adam adam({{"p", p}}, options);
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

TEST_CASE("the two places of epsilon are not the same step", "[optimizer]") {
  const auto after = [](AdamEpsilon epsilon) {
    const Tensor p = leaf({1.0}, DType::f64);
    Adam adam({{"p", p}}, {.eps = 0.1, .epsilon = epsilon});
    set_gradient(p, {0.5});
    adam.step(0.01);
    return p.item();
  };
  CHECK(std::abs(after(AdamEpsilon::torch) - after(AdamEpsilon::keras)) > 1e-4);
}

TEST_CASE("a gradient that is not finite stops the step before anything changes", "[optimizer]") {
  const Tensor a = leaf({1.0, 2.0}, DType::f32);
  const Tensor b = leaf({3.0}, DType::f32);
  Adam adam({{"first", a}, {"second", b}}, {});
  set_gradient(a, {0.5, 0.5});
  set_gradient(b, {NAN});
  CHECK_THROWS_AS(adam.step(0.1), NonFiniteError);
  CHECK(a.to_doubles() == Values{1.0, 2.0});
  CHECK(b.to_doubles() == Values{3.0});
  CHECK(adam.steps() == 0);
}

TEST_CASE("a parameter without a gradient stays", "[optimizer]") {
  const Tensor a = leaf({1.0}, DType::f32);
  const Tensor b = leaf({3.0}, DType::f32);
  Adam adam({{"a", a}, {"b", b}}, {.weight_decay = 0.5});
  set_gradient(a, {0.5});
  adam.step(0.1);
  CHECK(a.item() < 1.0);
  CHECK(b.item() == 3.0);
}

TEST_CASE("Adam refuses options that make no sense", "[optimizer]") {
  CHECK_THROWS_AS(Adam({}, {.beta1 = 1.0}), Error);
  CHECK_THROWS_AS(Adam({}, {.weight_decay = -1.0}), Error);
}

}  // namespace vox::test
