#pragma once

#include <chrono>
#include <filesystem>
#include <string>

#include "tools/run/interrupt.h"

namespace vox {

/// What is asked of a run while it goes on: Ctrl-C or SIGTERM ends it after the step, a file `stop` in its folder after
/// the epoch; a checkpoint comes every so often, and at SIGUSR1. None of it changes the result. One lives while the run
/// does.
class RunControl {
 public:
  /// save_every_minutes: 0: no checkpoints but those of epochs. A `stop` that lies there from before is removed.
  RunControl(const std::filesystem::path& run, double save_every_minutes);

  [[nodiscard]] static bool interrupted() { return InterruptGuard::interrupted(); }
  /// Is a checkpoint due, or asked for? Both are then as if it were written.
  [[nodiscard]] bool checkpoint_due();
  void saved();  ///< a checkpoint was written
  /// Is there a file `stop`? It is gone then: --resume goes on.
  [[nodiscard]] bool stop_asked() const;

 private:
  using Clock = std::chrono::steady_clock;

  InterruptGuard guard_;
  std::filesystem::path stop_;
  std::chrono::duration<double> save_every_;
  Clock::time_point saved_ = Clock::now();
};

}  // namespace vox
