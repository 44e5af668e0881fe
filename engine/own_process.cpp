#include "engine/own_process.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstddef>
#include <cstring>
#include <new>
#include <system_error>

#include "engine/open_file.h"
#include "kernels/base/check.h"

namespace vox {
namespace {

// What an answer begins with.
constexpr char kResult = 'r';
constexpr char kDamaged = 'd';
constexpr char kTooLarge = 'm';
constexpr char kOther = 'e';

/// The child: ends here.
[[noreturn]] void work_and_answer(int to, const std::string& what, unsigned most_seconds,
                                  const std::function<std::string(int)>& work) {
  for (const int crash : {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT}) {  // no handler of the parent's speaks for it
    static_cast<void>(std::signal(crash, SIG_DFL));
  }
  static_cast<void>(prctl(PR_SET_PDEATHSIG, SIGKILL));
  lower_limit(RLIMIT_CORE, 0);  // its crash is foreseen
  lower_limit(RLIMIT_CPU, most_seconds);
  int code = 1;
  try {
    std::string answer;
    try {
      answer = kResult + work(to);
    } catch (const DataError& e) { answer = kDamaged + std::string(e.what()); } catch (const MemoryError& e) {
      answer = kTooLarge + std::string(e.what());
    } catch (const Error& e) { answer = kOther + std::string(e.what()); } catch (const std::bad_alloc&) {
      answer = kTooLarge + what + ": out of memory";
    }
    std::size_t sent = 0;
    while (sent < answer.size()) {
      const ssize_t n = write(to, answer.data() + sent, answer.size() - sent);
      if (n < 0 && errno != EINTR) { break; }
      sent += static_cast<std::size_t>(std::max<ssize_t>(n, 0));
    }
    code = sent == answer.size() ? 0 : 1;
  } catch (...) { code = 1; }
  _exit(code);
}

std::string all_of(int from) {
  std::string all;
  std::array<char, std::size_t{1} << 16U> piece{};
  for (;;) {
    const ssize_t n = read(from, piece.data(), piece.size());
    if (n < 0 && errno == EINTR) { continue; }
    if (n <= 0) { return all; }
    all.append(piece.data(), static_cast<std::size_t>(n));
  }
}

/// Waited for in any case: no zombie stays where memory for its answer runs out.
class Child {
 public:
  explicit Child(pid_t number) : number_(number) {}
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  Child(Child&&) = delete;
  Child& operator=(Child&&) = delete;
  ~Child() { static_cast<void>(wait()); }
  int wait() {
    while (number_ > 0 && waitpid(number_, &status_, 0) < 0 && errno == EINTR) {}
    number_ = 0;
    return status_;
  }

 private:
  pid_t number_;
  int status_ = 0;
};

}  // namespace

std::string end_by_signal(int signal) {
  // NOLINTNEXTLINE(concurrency-mt-unsafe): glibc keeps strsignal's text for each thread by itself
  return fmt::format("ended by signal {} ({})", signal, strsignal(signal));
}

void lower_limit(int resource, std::uint64_t most) {
  const auto what = static_cast<__rlimit_resource_t>(resource);
  rlimit now{};
  if (getrlimit(what, &now) == 0 && most < now.rlim_cur) {
    now.rlim_cur = most;
    static_cast<void>(setrlimit(what, &now));
  }
}

ProcessEnd in_own_process(const std::string& what, unsigned most_seconds,
                          const std::function<std::string(int to)>& work) {
  std::array<int, 2> ends{};
  const bool piped = pipe2(ends.data(), O_CLOEXEC) == 0;
  Descriptor to(piped ? ends[1] : -1);
  const pid_t number = piped ? fork() : -1;
  if (number < 0) {
    const int error = errno;
    const Descriptor closed(piped ? ends[0] : -1);
    fail<MemoryError>(__FILE__, __LINE__,
                      fmt::format("{}: no process can be started: {}", what, std::generic_category().message(error)));
  }
  if (number == 0) { work_and_answer(to.get(), what, most_seconds, work); }
  Child child(number);
  const Descriptor from(ends[0]);  // closed before the child is waited for
  to = Descriptor();
  ProcessEnd end{.answer = all_of(from.get())};
  const int status = child.wait();
  if (WIFSIGNALED(status)) {
    end.signal = WTERMSIG(status);
    end.failed = end.signal == SIGXCPU ? fmt::format("took more than {} s of processor time", most_seconds)
                                       : end_by_signal(end.signal);
    return end;
  }
  const bool whole = WIFEXITED(status) && WEXITSTATUS(status) == 0 && !end.answer.empty();
  const char kind = whole ? end.answer.front() : '\0';
  end.answer.erase(0, 1);
  if (kind == kDamaged) { VOX_FAIL_DATA("{}", end.answer); }
  if (kind == kTooLarge) { fail<MemoryError>(__FILE__, __LINE__, end.answer); }
  if (kind == kOther) { VOX_FAIL("{}", end.answer); }
  if (kind != kResult) { end.failed = "gave no answer"; }
  return end;
}

}  // namespace vox
