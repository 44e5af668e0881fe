#include <algorithm>
#include <deque>
#include <limits>
#include <map>
#include <mutex>
#include <shared_mutex>
#include <string>
#include <type_traits>

#include "engine/ops.h"
#include "kernels/base/check.h"

namespace vox {
namespace {

constexpr std::size_t kFirst = static_cast<std::size_t>(Op::count_);
constexpr std::size_t kMost = std::numeric_limits<std::underlying_type_t<Op>>::max() - kFirst;

struct OwnOps {
  std::shared_mutex mutex;
  std::deque<std::string> names;  ///< in the order of their numbers; none of them ever moves
  std::map<std::string_view, Op> ops;
};

OwnOps& own_ops() {
  static OwnOps all;
  return all;
}

}  // namespace

Op own_op(std::string_view name) {
  OwnOps& all = own_ops();
  {
    const std::shared_lock lock(all.mutex);
    if (const auto found = all.ops.find(name); found != all.ops.end()) { return found->second; }
  }
  VOX_CHECK(!name.empty(), "own_op: the name is empty");
  VOX_CHECK(std::ranges::find(kOpNames, name) == kOpNames.end(),
            "own_op: '{}' is an operator of the catalogue (engine/ops.h), wants another name", name);
  const std::unique_lock lock(all.mutex);
  if (const auto found = all.ops.find(name); found != all.ops.end()) { return found->second; }
  VOX_CHECK(all.names.size() < kMost, "own_op: '{}' is one name too many, wants at most {}", name, kMost);
  const Op op = static_cast<Op>(kFirst + all.names.size());
  all.ops.emplace(all.names.emplace_back(name), op);
  return op;
}

std::string_view own_op_name(Op op) {
  OwnOps& all = own_ops();
  const std::shared_lock lock(all.mutex);
  const std::size_t i = static_cast<std::size_t>(op) - kFirst;
  VOX_CHECK(op >= Op::count_ && i < all.names.size(), "own_op_name: no operator has number {}", static_cast<int>(op));
  return all.names[i];
}

}  // namespace vox
