#pragma once

namespace vox {

/// While one lives, Ctrl-C (SIGINT) and SIGTERM only set a flag; a second signal ends the program at once. SIGUSR1 asks
/// for a checkpoint.
class InterruptGuard {
 public:
  InterruptGuard();
  ~InterruptGuard();
  InterruptGuard(const InterruptGuard&) = delete;
  InterruptGuard& operator=(const InterruptGuard&) = delete;
  InterruptGuard(InterruptGuard&&) = delete;
  InterruptGuard& operator=(InterruptGuard&&) = delete;

  [[nodiscard]] static bool interrupted();
  [[nodiscard]] static bool take_checkpoint_request();  ///< whether there was one since the last call

 private:
  using Handler = void (*)(int);
  Handler int_before_;
  Handler term_before_;
  Handler usr1_before_;
};

inline constexpr int kInterruptedExitCode = 130;

}  // namespace vox
