#include <cmath>
#include <limits>

#include "engine/tape.h"
#include "kernels/base/check.h"
#include "kernels/gradient_squares.h"
#include "model/optimizer.h"
#include "tests/engine/op_case.h"
#include "tests/model/optimizer_case.h"
#include "tests/support/catch.h"

namespace vox::test {
namespace {

/// The formula of kernels/sgd.h, one value at a time.
struct Reference {
  OptimizerOptions options;
  Values p;
  Values m = Values(p.size());

  void step(const Values& grad, double lr, double gradient_scale) {
    for (std::size_t i = 0; i < p.size(); ++i) {
      const double g = grad[i] * gradient_scale + options.weight_decay * p[i];
      m[i] = options.momentum * m[i] + g;
      p[i] -= lr * (options.nesterov == Nesterov::on ? g + options.momentum * m[i] : m[i]);
    }
  }
};

}  // namespace

TEST_CASE("SGD follows its formula with and without Nesterov, decay and clipping, on each device",
          "[optimizer][simt][cuda]") {
  // More than one launch takes, a tensor of more than one chunk, and sizes that are no multiple of a vector.
  constexpr std::size_t kTensors = 66;
  const auto size = [](std::size_t k) { return k == 3 ? kTensorChunk + 5 : 1 + static_cast<std::int64_t>(k % 9); };
  for (const Device device : optimizer_devices()) {
    for (const OptimizerOptions& options : std::vector<OptimizerOptions>{
             {.kind = OptimizerKind::sgd,
           .momentum = 0.9,
           .nesterov = Nesterov::on,
           .weight_decay = 0.1,
           .clip_norm = 0.5},
             {.kind = OptimizerKind::sgd, .momentum = 0.9, .nesterov = Nesterov::off, .weight_decay = 0.1},
             {.kind = OptimizerKind::sgd, .momentum = 0, .nesterov = Nesterov::off}}) {
      for (const DType dtype : {DType::f64, DType::f32}) {
        std::vector<NamedTensor> parameters;
        std::vector<Reference> references;
        for (std::size_t k = 0; k < kTensors; ++k) {
          const Values start = make_values(size(k), static_cast<unsigned>(k));
          parameters.push_back({fmt::format("p{}", k), leaf(start, dtype, device)});
          references.push_back({.options = options, .p = start});
        }
        Optimizer sgd(parameters, options);
        for (unsigned step = 0; step < 3; ++step) {
          double squares = 0;
          std::vector<Values> grads;
          for (std::size_t k = 0; k < kTensors; ++k) {
            grads.push_back(make_values(size(k), 100 * step + static_cast<unsigned>(k)));
            for (const double g : grads.back()) { squares += g * g; }
            set_gradient(parameters[k].tensor, grads.back());
          }
          const double norm = std::sqrt(squares);
          CHECK(std::abs(sgd.step(0.01) - norm) <= 1e-6 * norm);
          const double factor = options.clip_norm > 0 ? options.clip_norm / norm : 1;
          for (std::size_t k = 0; k < kTensors; ++k) { references[k].step(grads[k], 0.01, factor); }
        }
        double error = 0;
        for (std::size_t k = 0; k < kTensors; ++k) {
          error = std::max(error, worst(parameters[k].tensor.to_doubles(), references[k].p));
        }
        INFO(name(dtype) << " on " << name(device));
        CHECK(error <= (dtype == DType::f64 ? 1e-14 : 2e-6));
      }
    }
  }
}

// torch.optim.SGD([p], lr=0.1, momentum=0.9, weight_decay=0.01, nesterov=...) of PyTorch 2.15, in double: p = [1, -2,
// 0.5] and gradients [0.3, -0.2, 0.7], [-0.1, 0.4, 0.25], [0.6, 0.0, -0.9].
TEST_CASE("three steps of SGD are PyTorch's", "[optimizer]") {
  struct Case {
    Nesterov nesterov;
    Values wants;
  };
  for (const Case& c : {Case{Nesterov::on, {0.802167535371, -2.023611225102, 0.3593130804405}},
                        Case{Nesterov::off, {0.8721987689999999, -2.010625578, 0.3502883295}}}) {
    const Tensor p = leaf({1.0, -2.0, 0.5}, DType::f64, Device::cpu);
    Optimizer sgd({{"p", p}},
                  {.kind = OptimizerKind::sgd, .momentum = 0.9, .nesterov = c.nesterov, .weight_decay = 0.01});
    for (const Values& g : {Values{0.3, -0.2, 0.7}, Values{-0.1, 0.4, 0.25}, Values{0.6, 0.0, -0.9}}) {
      set_gradient(p, g);
      sgd.step(0.1);
    }
    CHECK(worst(p.to_doubles(), c.wants) <= 1e-15);
  }
}

TEST_CASE("a gradient that is not finite stops SGD before anything changes", "[optimizer][simt][cuda]") {
  for (const Device device : optimizer_devices()) {
    const Tensor a = leaf({1.0, 2.0}, DType::f32, device);
    const Tensor b = leaf({3.0}, DType::f32, device);
    Optimizer sgd({{"first", a}, {"second", b}}, {.kind = OptimizerKind::sgd, .weight_decay = 0.5});
    set_gradient(a, {0.5, 0.5});
    set_gradient(b, {std::numeric_limits<double>::infinity()});
    CHECK_THROWS_WITH(sgd.step(0.1), ContainsSubstring("the gradient of second is not finite at step 1"));
    CHECK(a.to_doubles() == Values{1.0, 2.0});
    CHECK(b.to_doubles() == Values{3.0});
    REQUIRE(sgd.state().size() == 2);
    CHECK(sgd.state()[0].name == "sgd.momentum.first");
    CHECK(sgd.state()[0].tensor.to_doubles() == Values(2));
    CHECK(sgd.steps() == 0);
  }
}

TEST_CASE("an optimiser is refused by its name and its numbers", "[optimizer]") {
  CHECK(optimizer_named("adam") == OptimizerKind::adam);
  CHECK(optimizer_named("adamw") == OptimizerKind::adam);
  CHECK(optimizer_named("sgd") == OptimizerKind::sgd);
  CHECK_THROWS_WITH(optimizer_named("lion"), ContainsSubstring("'lion', wants one of: adam, adamw, sgd"));
  CHECK_THROWS_WITH(Optimizer({}, {.kind = OptimizerKind::sgd, .momentum = 1}), ContainsSubstring("momentum is 1"));
  CHECK_THROWS_WITH(Optimizer({}, {.kind = OptimizerKind::sgd, .clip_norm = -1}),
                    ContainsSubstring("sgd: weight decay"));
}

}  // namespace vox::test
