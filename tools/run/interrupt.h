#pragma once

namespace vox {

/// While one lives, Ctrl-C (SIGINT) and SIGTERM only set a flag; a second signal ends the program at once.
class InterruptGuard {
 public:
  InterruptGuard();
  ~InterruptGuard();
  InterruptGuard(const InterruptGuard&) = delete;
  InterruptGuard& operator=(const InterruptGuard&) = delete;
  InterruptGuard(InterruptGuard&&) = delete;
  InterruptGuard& operator=(InterruptGuard&&) = delete;

  [[nodiscard]] static bool interrupted();
};

inline constexpr int kInterruptedExitCode = 130;

}  // namespace vox
