#include "tools/run/run_control.h"

#include <array>
#include <cstddef>
#include <span>
#include <system_error>
#include <vector>

#include "engine/ranks/deal.h"

namespace vox {
namespace {

constexpr unsigned kInterrupted = 1;
constexpr unsigned kCheckpoint = 2;
constexpr unsigned kStop = 4;

/// The flags that any rank has set.
unsigned of_any(Communicator& ranks, unsigned flags) {
  if (ranks.size() == 1) { return flags; }
  const std::array<std::byte, 1> mine{static_cast<std::byte>(flags)};
  const auto n = static_cast<std::size_t>(ranks.size());
  std::vector<std::byte> all(n);
  ranks.all_gather(mine, std::vector<std::size_t>(n, 1), all);
  std::byte any{0};
  for (const std::byte theirs : all) { any |= theirs; }
  return std::to_integer<unsigned>(any);
}

}  // namespace

RunControl::RunControl(const std::filesystem::path& run, double save_every_minutes, Communicator* ranks)
    : ranks_(ranks_or_alone(ranks)), stop_(run / "stop"), save_every_(60 * save_every_minutes) {
  static_cast<void>(stop_asked());
}

bool RunControl::checkpoint_due() const {
  const bool asked = InterruptGuard::take_checkpoint_request();
  return asked || (save_every_.count() > 0 && Clock::now() - saved_ >= save_every_);
}

RunControl::Asked RunControl::after_step() {
  const unsigned mine = (InterruptGuard::interrupted() ? kInterrupted : 0) | (checkpoint_due() ? kCheckpoint : 0);
  const unsigned any = of_any(ranks_, mine);
  const Asked asked{.interrupted = (any & kInterrupted) != 0, .checkpoint = (any & kCheckpoint) != 0};
  if (asked.checkpoint) { saved(); }
  return asked;
}

void RunControl::saved() { saved_ = Clock::now(); }

bool RunControl::stop_asked() {
  std::error_code error;
  const bool removed = ranks_.rank() == 0 && std::filesystem::remove(stop_, error);
  return of_any(ranks_, removed ? kStop : 0) != 0;
}

}  // namespace vox
