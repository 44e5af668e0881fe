#include "tools/run/run_control.h"

#include <system_error>

namespace vox {

RunControl::RunControl(const std::filesystem::path& run, double save_every_minutes)
    : stop_(run / "stop"), save_every_(60 * save_every_minutes) {
  static_cast<void>(stop_asked());
}

bool RunControl::checkpoint_due() {
  const bool asked = InterruptGuard::take_checkpoint_request();
  const bool due = save_every_.count() > 0 && Clock::now() - saved_ >= save_every_;
  if (!asked && !due) { return false; }
  saved();
  return true;
}

void RunControl::saved() { saved_ = Clock::now(); }

bool RunControl::stop_asked() const {
  std::error_code error;
  return std::filesystem::remove(stop_, error);
}

}  // namespace vox
