#include <thread>

#include "engine/dry_run.h"
#include "engine/gradcheck.h"
#include "engine/ops.h"
#include "engine/tape.h"
#include "tests/engine/op_case.h"
#include "tests/support/catch.h"

namespace vox::test {
namespace {

/// x * x * x with the derivative times `wrong`: an operator as an outside program defines it.
Tensor cube(const Tensor& x, double wrong = 1) {
  const Tensor v = x.detached();
  return record("cube", mul(mul(v, v), v), {x},
                [v, wrong](const Tensor& dy, GradSink& dx) { dx.add(0, scale(mul(mul(v, v), dy), 3 * wrong)); });
}

const Shape kShape{2, 3, 2, 1, 3};
Tensor leaf() { return Tensor::volume_of<double>(kShape, make_nonzero(kShape.count(), 1)).requires_grad(); }

}  // namespace

TEST_CASE("gradcheck passes an operator of one's own, alone and among others", "[tape][own_op]") {
  CHECK(gradcheck([](const auto& in) { return cube(in[0]); }, {leaf()}).message() == "");
  CHECK(gradcheck([](const auto& in) { return sum(mul(cube(scale(in[0], 0.5)), in[1])); }, {leaf(), leaf()}).ok());
}

TEST_CASE("gradcheck finds the wrong rule of an operator of one's own", "[tape][own_op]") {
  const auto r = gradcheck([](const auto& in) { return sum(cube(in[0], 1.001)); }, {leaf()});
  CHECK_FALSE(r.ok());
  CHECK_THAT(r.message(), ContainsSubstring("input 0 2x3x2x1x3 element ["));
}

TEST_CASE("an operator of one's own without a rule is refused, and one without a derivative says so",
          "[tape][own_op]") {
  CHECK_THROWS_WITH(record("rounded", leaf(), {leaf()}, {}),
                    ContainsSubstring("rounded: record() needs a backward rule"));
  const Tensor y = record("rounded", sum(leaf().detached()), {leaf()}, no_gradient("rounded"));
  CHECK_THROWS_WITH(backward(y), ContainsSubstring("rounded: has no gradient"));
}

TEST_CASE("an operator of one's own has a name that the catalogue does not have", "[tape][own_op]") {
  for (const std::string_view taken : kOpNames) {
    CHECK_THROWS_WITH(record(taken, leaf(), {leaf()}, [](const Tensor&, GradSink&) {}),
                      ContainsSubstring("'" + std::string(taken) + "' is an operator of the catalogue"));
  }
  CHECK_THROWS_WITH(own_op(""), ContainsSubstring("the name is empty"));
  CHECK(own_op("cube") == own_op(std::string("cube")));
  CHECK(own_op("cube") != own_op("rounded"));
  CHECK(own_op("cube") >= Op::count_);
  CHECK(name(own_op("cube")) == "cube");
  CHECK_THROWS_WITH(name(static_cast<Op>(60000)), ContainsSubstring("no operator has number 60000"));
}

TEST_CASE("errors, listeners and plans name an operator of one's own", "[tape][own_op]") {
  const Tensor x = leaf();
  const Tensor wrong =
      record("halved", cube(x.detached()), {x}, [](const Tensor& dy, GradSink& dx) { dx.add(0, sum(dy)); });
  CHECK_THROWS_WITH(backward(sum(wrong)), ContainsSubstring("halved: gradient f64 plain 1 for input 0, which is"));
  const Tensor silent = record("silent", cube(x.detached()), {cube(x)}, [](const Tensor&, GradSink&) {});
  CHECK_THROWS_WITH(backward(sum(silent)), ContainsSubstring("no gradient arrives at the result of cube"));

  struct Names : TapeListener {
    std::vector<std::string> seen;
    void ran_forward(Op op, const Tensor&, std::span<const Tensor>, std::uint64_t) override {
      seen.emplace_back(name(op));
    }
    void ran_backward(std::uint64_t) override {}
  } names;
  TapeListener* const before = set_tape_listener(&names);
  const Tensor y = scale(cube(x), 2);
  set_tape_listener(before);
  CHECK(names.seen == std::vector<std::string>{"mul", "mul", "cube", "scale"});

  DryRun dry;
  const Tensor planned = cube(x);
  CHECK(dry.steps().back().op == "cube");
}

TEST_CASE("threads that name operators of their own at once get one number for each name", "[tape][own_op][threads]") {
  std::vector<std::vector<Op>> found(4);
  std::vector<std::thread> threads;
  for (std::vector<Op>& mine : found) {
    threads.emplace_back([&mine] {
      for (int i = 0; i < 200; ++i) { mine.push_back(own_op("threaded_" + std::to_string(i))); }
    });
  }
  for (std::thread& t : threads) { t.join(); }
  for (const std::vector<Op>& other : found) { CHECK(other == found[0]); }
  for (std::size_t i = 0; i < found[0].size(); ++i) { CHECK(name(found[0][i]) == "threaded_" + std::to_string(i)); }
}

}  // namespace vox::test
