// Numbers at the ends of f32's range. A large one among others gives the formula's results or none that are finite:
// never a number that is wrong. A denormal one gives what the formula gives, or what 0 in its place does.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>

#include "kernels/base/check.h"
#include "kernels/base/denormals.h"
#include "tests/engine/isa_scope.h"
#include "tests/engine/op_case.h"
#include "tests/engine/small_op_cases.h"
#include "tests/support/catch.h"
#include "tests/support/compare.h"

namespace vox::test {
namespace {

constexpr double kMost = std::numeric_limits<float>::max();
constexpr double kLarge = 0x1p60;     // its square is a number of f32, too
constexpr double kNothing = 0x1p-64;  // what is left of a loss where the probability is as near to 1 as it may be

/// Where f32 has a number for what the formula gives, and the kernel another one: "" where that is nowhere. lost: how
/// many of them the kernel gives no finite number for.
std::string wrong(const OpCase& c, const Values& got, const Values& want, std::size_t& lost) {
  if (got.size() != want.size()) { return fmt::format("{} values, wants {}", got.size(), want.size()); }
  Values finite_got;
  Values finite_want;
  for (std::size_t i = 0; i < want.size(); ++i) {
    if (!std::isfinite(want[i])) { continue; }  // exp() of the formula overflows, the kernel's need not
    if (std::abs(want[i]) > kMost) {
      if (std::isfinite(got[i])) { return fmt::format("[{}] is {}, wants {}, beyond f32", i, got[i], want[i]); }
      continue;
    }
    if (!std::isfinite(got[i])) {
      ++lost;
      continue;
    }
    if (std::max(std::abs(got[i]), std::abs(want[i])) < kNothing) { continue; }
    finite_got.push_back(got[i]);
    finite_want.push_back(want[i]);
  }
  if (finite_got.empty()) { return ""; }
  return first_mismatch(finite_got, finite_want, DType::f32, c.terms, c.conditioning);
}

}  // namespace

TEST_CASE("a large number among the inputs gives the formula's results or none that are finite", "[ops][extremes]") {
  for (const OpCase* const c : small_op_cases()) {
    const std::vector<Values> good = make_inputs(*c);
    for (std::size_t k = 0; k < good.size(); ++k) {
      if (c->inputs[k].kind == Kind::labels || good[k].empty()) { continue; }
      std::vector<Values> inputs = good;
      inputs[k][good[k].size() / 2] += 0.125;
      if (relative_error(c->reference(inputs), c->reference(good)) < 1e-9) {
        continue;
      }  // a bias that a norm takes away
      for (const double large : {kLarge, -kLarge, kMost, -kMost}) {
        inputs[k][good[k].size() / 2] = large;
        const Values want = c->reference(inputs);
        for (const Isa isa : {Isa::baseline, best_isa()}) {
          const IsaScope scope(isa);
          INFO(c->label << " with " << large << " in input " << k << ", " << name(isa));
          const Values got = c->apply(to_tensors(*c, inputs, DType::f32)).to_doubles();
          std::size_t lost = 0;
          CHECK(wrong(*c, got, want, lost) == "");
          if (std::abs(large) < kMost) { CHECK(lost == 0); }
        }
      }
    }
  }
}

TEST_CASE("a denormal number among the inputs is itself or zero", "[ops][extremes]") {
  constexpr double kDenormal = 0x1p-130;
  const FlushDenormals flush;
  for (const OpCase* const c : small_op_cases()) {
    const std::vector<Values> good = make_inputs(*c);
    for (std::size_t k = 0; k < good.size(); ++k) {
      if (c->inputs[k].kind == Kind::labels || good[k].empty()) { continue; }
      for (const Isa isa : {Isa::baseline, best_isa()}) {
        const IsaScope scope(isa);
        INFO(c->label << " with 2^-130 in input " << k << ", " << name(isa));
        std::vector<Values> inputs = good;
        const auto with = [&](double value) {
          inputs[k][good[k].size() / 2] = value;
          return c->apply(to_tensors(*c, inputs, DType::f32)).to_doubles();
        };
        const Values zero = with(0);
        const Values got = with(kDenormal);
        const Values want = c->reference(inputs);
        REQUIRE(got.size() == zero.size());
        for (std::size_t i = 0; i < got.size(); ++i) {
          const bool as_zero = got[i] == zero[i] || (std::isnan(got[i]) && std::isnan(zero[i]));
          if (!as_zero && got[i] != want[i]) {
            FAIL_CHECK("[" << i << "] is " << got[i] << ", wants " << want[i] << " or " << zero[i]);
          }
        }
      }
    }
  }
}

}  // namespace vox::test
