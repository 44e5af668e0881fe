#include "engine/ranks/share_scope.h"

#include <utility>

#include "kernels/base/check.h"

namespace vox {
namespace {

thread_local const ActiveShare* active = nullptr;

}  // namespace

ShareScope::ShareScope(const BatchShare& share, RankSums& sums)
    : active_(std::make_unique<ActiveShare>(ActiveShare{.share = share, .sums = &sums})) {
  before_ = std::exchange(active, active_.get());
}
ShareScope::~ShareScope() { active = before_; }

const ActiveShare* active_share() { return active; }

VolumeShape shared_volume(const Shape& shape) {
  VolumeShape s = shape.volume();
  if (active == nullptr) { return s; }
  VOX_CHECK(s.n == active->share.here(), "a volume batch of {} on a rank with {} of the batch's {} cases", shape.str(),
            active->share.here(), active->share.whole);
  s.batch = active->share.whole;
  return s;
}

RandomKey shared_key(RandomKey key, const Shape& shape) {
  if (active == nullptr) { return key; }
  const VolumeShape s = shared_volume(shape);
  constexpr std::int64_t kNumbers = 4;  // of a group; a case is a multiple of eight elements
  key.before += static_cast<std::uint64_t>(active->share.first_here() * (s.padded_count() / s.n) / kNumbers);
  return key;
}

void check_not_shared(Op op) {
  VOX_CHECK(active == nullptr, "{}: the batch is shared out among ranks, and its sums are not", name(op));
}

}  // namespace vox
