#include "engine/gradcheck.h"

#include <sys/wait.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <nlohmann/json.hpp>

#include "engine/ops.h"
#include "engine/samples/sample.h"
#include "engine/tape.h"
#include "tests/engine/op_case.h"
#include "tests/support/catch.h"
#include "tests/support/files.h"

namespace vox::test {
namespace {

const Shape kShape{2, 3, 2, 1, 3};  // five padding channels

Tensor volume(unsigned seed) {
  return Tensor::volume_of<double>(kShape, make_nonzero(kShape.count(), seed)).requires_grad();
}

/// x * x with a rule of one's own: what a user's operator with a mistake looks like.
GradcheckFunction square_with(std::function<void(const Tensor& x, const Tensor& dy, GradSink&)> rule) {
  return [rule = std::move(rule)](const std::vector<Tensor>& in) {
    const Tensor x = in[0].detached();
    const Tensor y = [&] {
      const NoGradScope no_grad;
      return mul(x, x);
    }();
    return record(Op::mul, y, {in[0]}, [x, rule](const Tensor& dy, GradSink& grads) { rule(x, dy, grads); });
  };
}
Tensor right(const Tensor& x, const Tensor& dy) { return scale(mul(x, dy), 2); }

/// A function of numbers that the catalogue does not have, with its derivative as rule.
GradcheckFunction of_numbers(double (*f)(double), double (*derivative)(double)) {
  const auto mapped = [](const Tensor& x, double (*g)(double)) {
    Values v = x.to_doubles();
    std::ranges::transform(v, v.begin(), g);
    return Tensor::of<double>(x.shape(), v);
  };
  return [=](const std::vector<Tensor>& in) {
    const Tensor x = in[0].detached();
    return record(Op::mul, mapped(x, f), {in[0]},
                  [=](const Tensor& dy, GradSink& grads) { grads.add(0, mul(mapped(x, derivative), dy)); });
  };
}
Tensor numbers(const Values& v) { return Tensor::of<double>({std::ssize(v)}, v).requires_grad(); }

}  // namespace

TEST_CASE("gradcheck passes a right gradient, blocked or plain", "[gradcheck]") {
  const auto square = square_with([](const auto& x, const auto& dy, auto& grads) { grads.add(0, right(x, dy)); });
  const GradcheckResult r = gradcheck(square, {volume(1)});
  CHECK(r.message() == "");
  CHECK(r.ok());
  REQUIRE(r.inputs.size() == 1);
  CHECK(r.inputs[0].shape == kShape);
  CHECK(r.inputs[0].error() < 1e-9);
  CHECK(gradcheck(square, {Tensor::of<double>({5}, make_values(5, 1)).requires_grad()}).ok());
}

TEST_CASE("gradcheck catches a wrong sign", "[gradcheck]") {
  const auto r =
      gradcheck(square_with([](const auto& x, const auto& dy, auto& grads) { grads.add(0, scale(right(x, dy), -1)); }),
                {volume(1)});
  CHECK_FALSE(r.ok());
}

TEST_CASE("gradcheck catches a forgotten dy", "[gradcheck]") {
  const auto r =
      gradcheck(square_with([](const auto& x, const auto&, auto& grads) { grads.add(0, scale(x, 2)); }), {volume(1)});
  CHECK_FALSE(r.ok());
}

TEST_CASE("gradcheck catches a gradient that never comes", "[gradcheck]") {
  const auto silent = gradcheck(square_with([](const auto&, const auto&, auto&) {}), {volume(1)});
  CHECK_FALSE(silent.ok());
  CHECK_THAT(silent.message(), ContainsSubstring("gradient 0 (the tape gave none)"));
  const auto cut_off = gradcheck([](const auto& in) { return mul(in[0].detached(), in[0].detached()); }, {volume(1)});
  CHECK_FALSE(cut_off.ok());
  CHECK(cut_off.inputs[0].missing);
}

TEST_CASE("gradcheck catches NaN, in the gradient and in the function", "[gradcheck]") {
  const auto nan_gradient = square_with([](const auto& x, const auto& dy, auto& grads) {
    Tensor dx = right(x, dy);
    dx.mutable_values<double>()[2] = std::numeric_limits<double>::quiet_NaN();
    grads.add(0, dx);
  });
  const auto r = gradcheck(nan_gradient, {volume(1)});
  CHECK_FALSE(r.ok());
  CHECK_THAT(r.message(), ContainsSubstring("input 0 2x3x2x1x3 element [0,2,0,0,0]: gradient nan"));
  const auto nan_value = [](const auto& in) { return scale(in[0], std::numeric_limits<double>::quiet_NaN()); };
  CHECK_FALSE(gradcheck(nan_value, {volume(1)}).ok());
}

TEST_CASE("gradcheck fails where a difference quotient is not finite, whatever the other elements are", "[gradcheck]") {
  const auto one_over = [](double x) { return 1 / x; };
  const auto of_one_over = [](double x) { return -1 / (x * x); };
  const auto logarithm = [](double x) { return std::log(std::abs(x)); };
  const auto of_any = [](double x) { return 1 / x; };
  const auto huge = [](double x) { return 1e308 * x; };
  const auto of_huge = [](double) { return 1e308; };
  const auto pole = gradcheck(of_numbers(one_over, of_one_over), {numbers({1, 0x1p-10, 2})});
  CHECK_FALSE(pole.ok());
  CHECK_FALSE(pole.inputs[0].finite());
  CHECK(pole.inputs[0].index == 1);
  CHECK(std::isfinite(pole.inputs[0].allowed));
  CHECK_THAT(pole.message(), ContainsSubstring("input 0 3 element [1]: gradient ") &&
                                 ContainsSubstring("difference quotient ") && ContainsSubstring("inf") &&
                                 ContainsSubstring("the difference quotient is not finite: the function is infinite"));
  for (const double zero : {0x1p-10, 0x1p-9, -0x1p-9}) {  // a step and two from where the logarithm is infinite
    const auto r = gradcheck(of_numbers(logarithm, of_any), {numbers({zero, 1, 2})});
    CHECK_FALSE(r.ok());
    CHECK(r.inputs[0].index == 0);
  }
  const auto overflow = gradcheck(of_numbers(huge, of_huge), {numbers({2, 1})});
  CHECK_FALSE(overflow.ok());
  CHECK_FALSE(overflow.message().empty());
  // A wrong gradient hides behind no infinity, nor does a right one elsewhere excuse it.
  const auto wrong = [](double) { return 7.0; };
  CHECK_FALSE(gradcheck(of_numbers(one_over, wrong), {numbers({1, 0x1p-10, 2})}).ok());
  CHECK(gradcheck(of_numbers(one_over, of_one_over), {numbers({1, 2, -1})}).message() == "");
}

TEST_CASE("gradcheck fails where a gradient is infinite, and says which number it is", "[gradcheck]") {
  const auto same = [](double x) { return x; };
  const auto infinite = [](double x) { return x == 2 ? std::numeric_limits<double>::infinity() : 1; };
  const auto r = gradcheck(of_numbers(same, infinite), {numbers({1, 2, 3})});
  CHECK_FALSE(r.ok());
  CHECK(r.inputs[0].index == 1);
  CHECK_THAT(r.message(), ContainsSubstring("inf, difference quotient ") &&
                              Catch::Matchers::EndsWith(": the gradient is not finite"));
  GradcheckInput both{.shape = {3}, .index = 2, .analytic = INFINITY, .numeric = INFINITY, .allowed = INFINITY};
  CHECK_FALSE(both.ok());
  CHECK_THAT((GradcheckResult{.inputs = {both}}.message()),
             ContainsSubstring("the gradient is not finite; the difference quotient is not finite"));
}

TEST_CASE("gradcheck names the one element that is wrong", "[gradcheck]") {
  const auto one_wrong = square_with([](const auto& x, const auto& dy, auto& grads) {
    Tensor dx = right(x, dy);
    const std::int64_t place = kShape.volume().at(1, 2, 4);  // case 1, channel 2, voxel (1,0,1)
    dx.mutable_values<double>()[static_cast<std::size_t>(place)] += 1e-3;
    grads.add(0, dx);
  });
  const auto r = gradcheck(one_wrong, {volume(1)});
  REQUIRE_FALSE(r.ok());
  CHECK(r.inputs[0].index == (1 * 3 + 2) * 6 + 4);
  CHECK(r.inputs[0].error() == Approx(1e-3).epsilon(1e-4));
  CHECK_THAT(r.message(), ContainsSubstring("input 0 2x3x2x1x3 element [1,2,1,0,1]: gradient "));
}

TEST_CASE("gradcheck names the input whose gradient is wrong", "[gradcheck]") {
  const auto swapped = [](const std::vector<Tensor>& in) {
    const Tensor a = in[0].detached();
    const Tensor b = in[1].detached();
    const Tensor y = [&] {
      const NoGradScope no_grad;
      return mul(a, b);
    }();
    return record(Op::mul, y, {in[0], in[1]}, [a, b](const Tensor& dy, GradSink& grads) {
      grads.add(0, mul(dy, b));
      grads.add(1, mul(dy, b));  // should be a
    });
  };
  const auto r = gradcheck(swapped, {volume(1), volume(2)});
  REQUIRE(r.inputs.size() == 2);
  CHECK(r.inputs[0].ok());
  CHECK_FALSE(r.inputs[1].ok());
  CHECK_THAT(r.message(), Catch::Matchers::StartsWith("input 1 "));
}

TEST_CASE("gradcheck leaves alone what has no gradient: labels and running statistics", "[gradcheck]") {
  const Tensor labels = to_tensor(make_labels(12, 3, 0), {2, 2, 1, 3}, Kind::labels, DType::f64);
  CHECK(gradcheck([](const auto& in) { return cross_entropy(in[0], in[1]); }, {volume(1), labels}).message() == "");

  const auto vector = [](double v) { return Tensor::of<double>({3}, Values(3, v)); };
  const Tensor running_mean = vector(0.5);
  const auto norm = [](const auto& in) { return batch_norm(in[0], in[1], in[2], in[3], in[4]); };
  const auto r =
      gradcheck(norm, {volume(1), vector(1.5).requires_grad(), vector(0).requires_grad(), running_mean, vector(1)});
  CHECK(r.message() == "");
  CHECK(r.inputs.size() == 3);
  CHECK(running_mean.to_doubles() == Values(3, 0.5));  // the function moved a copy
}

TEST_CASE("gradcheck refuses what it cannot check, and says why", "[gradcheck]") {
  const auto twice = [](const auto& in) { return scale(in[0], 2); };
  const Tensor f32 = Tensor::zeros({3}, DType::f32).requires_grad();
  CHECK_THROWS_WITH(gradcheck(twice, {f32}), ContainsSubstring("gradcheck: input 0 is f32 on cpu, wants f64 on cpu"));
  CHECK_THROWS_WITH(gradcheck(twice, {Tensor::zeros({3}, DType::f64)}),
                    ContainsSubstring("gradcheck: no input requires a gradient"));
  const auto in_f32 = [](const auto& in) { return cast(in[0], DType::f32); };
  CHECK_THROWS_WITH(gradcheck(in_f32, {volume(1)}), ContainsSubstring("gradcheck: the function gives f32, wants f64"));
  const auto restless = [step = 0U](const auto& in) mutable {
    return dropout(in[0], {.p = 0.5, .key = {.seed = 1, .step = step++, .place = 0}});
  };
  CHECK_THROWS_WITH(gradcheck(restless, {volume(1)}), ContainsSubstring("for the same inputs"));
}

TEST_CASE("the gradient of every operator of the catalogue is right", "[gradcheck]") {
  for (std::size_t i = 0; i < kOpNames.size(); ++i) {
    int checked = 0;
    for (const samples::Sample& s : samples::of(static_cast<Op>(i))) {
      if (!s.gradchecked) { continue; }
      INFO(kOpNames.at(i) << " " << s.variant);
      CHECK(gradcheck(s.call, samples::small_inputs(s)).message() == "");
      ++checked;
    }
    INFO("no sample to check the gradient at in engine/samples/" << kOpNames.at(i) << ".cpp");
    CHECK(checked > 0);
  }
}

TEST_CASE("voxgrad gradcheck tells one operator, all of them as JSON, and the names when asked for none",
          "[gradcheck]") {
  const TempFolder folder;
  const auto run = [&](const std::string& arguments) {
    const std::string command =
        std::string(VOX_PROGRAM) + " gradcheck " + arguments + " > " + (folder / "out").string() + " 2>&1";
    const int status = std::system(command.c_str());  // NOLINT: the program is ours
    return std::pair(WEXITSTATUS(status), read_bytes(folder / "out"));
  };
  const auto [mul_exit, mul_text] = run("--op mul");
  CHECK(mul_exit == 0);
  CHECK_THAT(mul_text, ContainsSubstring("mul") && ContainsSubstring("2x5x3x2x3") && ContainsSubstring("yes"));
  CHECK_THAT(mul_text, ContainsSubstring("2 gradients checked") && ContainsSubstring("0 wrong"));
  const auto [json_exit, json_text] = run("--op concat --json");
  CHECK(json_exit == 0);
  const auto json = nlohmann::json::parse(json_text);
  REQUIRE(json.size() == 2);
  CHECK(json[1]["op"] == "concat");
  CHECK(json[1]["input"] == "b");
  CHECK(json[1]["ok"] == true);
  CHECK(json[1]["shape"] == std::vector<int>{2, 12, 2, 3, 2});
  const auto [unknown_exit, unknown_text] = run("--op conv4d");
  CHECK(unknown_exit == 2);
  CHECK_THAT(unknown_text, ContainsSubstring("no operator 'conv4d'; there are all, add, mul, scale"));
}

}  // namespace vox::test
