#include "tools/run/interrupt.h"

#include <csignal>

namespace vox {
namespace {

volatile std::sig_atomic_t flag = 0;
volatile std::sig_atomic_t asked_before = 0;
volatile std::sig_atomic_t checkpoint = 0;

void on_signal(int signal) {
  if (asked_before != 0) {
    static_cast<void>(std::signal(signal, SIG_DFL));
    static_cast<void>(std::raise(signal));
  }
  asked_before = 1;
  flag = 1;
}

void on_hangup(int) { flag = 1; }

void on_checkpoint_signal(int) { checkpoint = 1; }

}  // namespace

InterruptGuard::InterruptGuard() {
  flag = 0;
  asked_before = 0;
  checkpoint = 0;
  int_before_ = std::signal(SIGINT, on_signal);
  term_before_ = std::signal(SIGTERM, on_signal);
  hangup_before_ = std::signal(SIGHUP, on_hangup);
  if (hangup_before_ == SIG_IGN) { static_cast<void>(std::signal(SIGHUP, SIG_IGN)); }  // nohup
  usr1_before_ = std::signal(SIGUSR1, on_checkpoint_signal);
}

InterruptGuard::~InterruptGuard() {
  static_cast<void>(std::signal(SIGINT, int_before_));
  static_cast<void>(std::signal(SIGTERM, term_before_));
  static_cast<void>(std::signal(SIGHUP, hangup_before_));
  static_cast<void>(std::signal(SIGUSR1, usr1_before_));
}

bool InterruptGuard::interrupted() { return flag != 0; }

bool InterruptGuard::take_checkpoint_request() {
  if (checkpoint == 0) { return false; }
  checkpoint = 0;
  return true;
}

}  // namespace vox
