#pragma once

namespace vox {

/// While one lives, Ctrl-C (SIGINT), SIGTERM and SIGHUP only set a flag; a second SIGINT or SIGTERM ends the program at
/// once. SIGHUP does not, however often it comes: where a terminal goes away, shell and kernel each send one. Where it
/// was ignored, as `nohup` has it, it stays ignored. SIGUSR1 asks for a checkpoint.
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
  Handler hangup_before_;
  Handler usr1_before_;
};

inline constexpr int kInterruptedExitCode = 130;

}  // namespace vox
