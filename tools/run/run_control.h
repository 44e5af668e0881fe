#pragma once

#include <chrono>
#include <filesystem>
#include <string>

#include "engine/ranks/communicator.h"
#include "tools/run/interrupt.h"

namespace vox {

/// What is asked of a run while it goes on: Ctrl-C, SIGTERM or SIGHUP ends it after the step, a file `stop` in its
/// folder after the epoch; a checkpoint comes every so often, and at SIGUSR1. None of it changes the result. One lives
/// while the run does. What is asked of one rank is asked of all: they learn of it together.
class RunControl {
 public:
  /// save_every_minutes: 0: no checkpoints but those of epochs. A `stop` that lies there from before is removed.
  RunControl(const std::filesystem::path& run, double save_every_minutes, Communicator* = nullptr);

  struct Asked {
    bool interrupted = false;
    bool checkpoint = false;  ///< due, or asked for; it is then as if it were written
  };
  /// What is asked of any rank. Collective: one byte of each.
  [[nodiscard]] Asked after_step();
  void saved();  ///< a checkpoint was written
  /// Is there a file `stop`? It is gone then: --resume goes on. Rank 0 looks for all: collective.
  [[nodiscard]] bool stop_asked();

 private:
  using Clock = std::chrono::steady_clock;
  [[nodiscard]] bool checkpoint_due() const;

  InterruptGuard guard_;
  Communicator& ranks_;
  std::filesystem::path stop_;
  std::chrono::duration<double> save_every_;
  Clock::time_point saved_ = Clock::now();
};

}  // namespace vox
