// Where two runs cease to be the same to the bit.
#include <fmt/format.h>

#include <string>

#include "engine/json_text.h"
#include "kernels/base/check.h"
#include "tools/verbs/compare_runs.h"

namespace vox {
namespace {

struct Difference {
  std::string what;  ///< empty: none
  std::string a;
  std::string b;
};

/// In the order in which a step comes to them.
Difference first_difference(const LoggedStep& a, const LoggedStep& b) {
  const auto differ = [](const Json& x, const Json& y) { return json_text(x) != json_text(y); };
  struct Value {
    const char* what;
    const Json& a;
    const Json& b;
  };
  for (const Value& v :
       {Value{"cases", a.cases, b.cases}, Value{"loss", a.loss, b.loss},
        Value{"gradient norm", a.gradient_norm, b.gradient_norm}, Value{"learning rate", a.lr, b.lr}}) {
    if (differ(v.a, v.b)) { return {.what = v.what, .a = json_text(v.a), .b = json_text(v.b)}; }
  }
  if (!a.digest.empty() && !b.digest.empty() && a.digest != b.digest) {
    return {.what = "parameters", .a = "digest " + a.digest, .b = "digest " + b.digest};
  }
  return {};
}

}  // namespace

ComparedText compare_bits(const RunRecord& a, const RunRecord& b) {
  ComparedText out = differing_settings(a, b);
  std::int64_t shared = 0;
  std::int64_t digests = 0;
  std::int64_t last_digest = 0;
  auto at_b = b.steps.begin();
  for (const LoggedStep& step : a.steps) {
    while (at_b != b.steps.end() && at_b->step < step.step) { ++at_b; }
    if (at_b == b.steps.end()) { break; }
    if (at_b->step != step.step) { continue; }
    const Difference d = first_difference(step, *at_b);
    if (!d.what.empty()) {
      out.differ = true;
      out.text += fmt::format("differ: from step {} (epoch {}) on, first in its {}:\n  A {}\n  B {}\n", step.step,
                              step.epoch, d.what, d.a, d.b);
      out.text += last_digest > 0 ? fmt::format("the parameters were the same after step {}\n", last_digest)
                                  : "no digest before tells of the parameters\n";
      out.json["first_difference"] = {{"step", step.step}, {"epoch", step.epoch}, {"what", d.what}};
      break;
    }
    ++shared;
    if (!step.digest.empty() && !at_b->digest.empty()) {
      ++digests;
      last_digest = step.step;
    }
  }
  VOX_CHECK_DATA(out.differ || shared > 0, "compare --bits: {} and {} share no step: their logs have {} and {}",
                 a.folder.string(), b.folder.string(), a.steps.size(), b.steps.size());
  out.json["same"] = !out.differ;
  out.json["steps_compared"] = shared;
  out.json["digests_compared"] = digests;
  if (!out.differ) {
    out.text += fmt::format(
        "the same in all {} steps that both have (A {}, B {}): cases, loss, gradient norm, learning rate{}\n", shared,
        a.steps.size(), b.steps.size(),
        digests > 0 ? fmt::format(", and the parameters by {} digests, the last after step {}", digests, last_digest)
                    : std::string("; there are no digests of the parameters in both"));
  }
  return out;
}

}  // namespace vox
