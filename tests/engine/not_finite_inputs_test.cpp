// No operator hides a number that is not finite: where its formula in double gives NaN or infinity, so does the kernel.
// It may give more: a Winograd tile shares what one of its inputs is.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <set>

#include "kernels/base/check.h"
#include "tests/engine/isa_scope.h"
#include "tests/engine/op_case.h"
#include "tests/engine/small_op_cases.h"
#include "tests/support/catch.h"

namespace vox::test {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kInf = std::numeric_limits<double>::infinity();

/// What the kernel makes of the inputs, or empty where the operator refuses them by a message.
std::optional<Values> result_of(const OpCase& c, const std::vector<Values>& inputs, DType dtype, Device device) {
  try {
    return c.apply(to_tensors(c, inputs, dtype, device)).to_doubles();
  } catch (const Error&) { return std::nullopt; }
}

/// The first place where a number that is not finite is hidden, of those that depend on the input: `moved` is the
/// result where that is another number. A dropped element, the probability of a class that is not the label's, the bias
/// that a norm takes away again do not count.
std::string hidden(const Values& got, const Values& want, const Values& good, const Values& moved, bool is_nan) {
  if (got.size() != want.size()) { return fmt::format("{} values, wants {}", got.size(), want.size()); }
  for (std::size_t i = 0; i < want.size(); ++i) {
    const bool depends = std::abs(moved[i] - good[i]) > 1e-9 * std::abs(good[i]);
    const bool bad = is_nan ? std::isnan(want[i]) : std::isinf(want[i]);
    if (depends && bad && std::isfinite(got[i])) { return fmt::format("[{}] is {}, wants {}", i, got[i], want[i]); }
  }
  return "";
}

bool is_loss(Op op) {
  return op == Op::dice_loss || op == Op::focal_loss || op == Op::cross_entropy || op == Op::dice_focal_loss ||
         op == Op::dice_bce_loss;
}

}  // namespace

TEST_CASE("no operator hides a NaN or an infinity", "[ops][not_finite]") {
  std::set<Op> seen;
  std::set<Op> shown;
  for (const OpCase* const c : small_op_cases()) {
    seen.insert(c->op);
    const std::vector<Values> good = make_inputs(*c);
    const Values result = c->reference(good);
    for (std::size_t k = 0; k < good.size(); ++k) {
      if (c->inputs[k].kind == Kind::labels || good[k].empty()) { continue; }
      for (const std::size_t at : {good[k].size() / 2, good[k].size() - 1}) {
        std::vector<Values> inputs = good;
        inputs[k][at] += 0.125;
        const Values moved = c->reference(inputs);
        for (const double bad : {kNan, kInf, -kInf}) {
          if (is_loss(c->op) && !std::isnan(bad)) { continue; }  // a formula with exp() overflows, a kernel need not
          inputs[k][at] = bad;
          const Values want = c->reference(inputs);
          for (const Isa isa : {Isa::baseline, best_isa()}) {
            const IsaScope scope(isa);
            const auto got = result_of(*c, inputs, DType::f32, Device::cpu);
            if (!got) { continue; }
            INFO(c->label << " with " << bad << " at " << at << " of input " << k << ", " << name(isa));
            CHECK(hidden(*got, want, result, moved, std::isnan(bad)) == "");
            if (!std::ranges::all_of(want, [](double v) { return std::isfinite(v); })) { shown.insert(c->op); }
          }
        }
      }
    }
  }
  for (const Op op : seen) {
    INFO(name(op) << ": its formula never gave what is not finite, so nothing was looked at");
    CHECK(shown.contains(op));
  }
}

}  // namespace vox::test
