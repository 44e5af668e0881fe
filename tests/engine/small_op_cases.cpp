#include "tests/engine/small_op_cases.h"

#include <algorithm>
#include <map>

namespace vox::test {

std::vector<const OpCase*> small_op_cases() {
  constexpr std::size_t kOfEach = 4;
  const auto size = [](const OpCase* c) {
    std::int64_t all = 0;
    for (const Input& in : c->inputs) { all += in.shape.count(); }
    return all * c->terms;
  };
  std::map<Op, std::vector<const OpCase*>> of;
  for (const OpCase& c : op_cases()) { of[c.op].push_back(&c); }
  std::vector<const OpCase*> chosen;
  for (auto& [op, cases] : of) {
    std::ranges::stable_sort(cases, {}, size);
    cases.resize(std::min(cases.size(), kOfEach));
    chosen.insert(chosen.end(), cases.begin(), cases.end());
  }
  return chosen;
}

}  // namespace vox::test
