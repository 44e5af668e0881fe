#include "tools/interchange/confined.h"

#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <new>
#include <system_error>
#include <vector>

#include "engine/open_file.h"
#include "kernels/base/check.h"

namespace vox {
namespace {

#if defined(__x86_64__)
constexpr std::uint32_t kMachine = AUDIT_ARCH_X86_64;
#elif defined(__aarch64__)
constexpr std::uint32_t kMachine = AUDIT_ARCH_AARCH64;
#else
constexpr std::uint32_t kMachine = 0;
#endif
#if defined(__SANITIZE_ADDRESS__)
constexpr bool kSanitized = true;
#elif defined(__has_feature)
constexpr bool kSanitized =
    __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(undefined_behavior_sanitizer);
#else
constexpr bool kSanitized = false;
#endif

// What an answer begins with.
constexpr char kResult = 'r';
constexpr char kDamaged = 'd';
constexpr char kTooLarge = 'm';
constexpr char kOther = 'e';

/// The calls of the system that are let through, one after the other; any other fails with EPERM.
class Filter {
 public:
  Filter() {
    load(offsetof(seccomp_data, arch));
    add(BPF_JMP | BPF_JEQ | BPF_K, kMachine, 1, 0);
    add(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS);
  }
  void allow(long call) {
    load(offsetof(seccomp_data, nr));
    add(BPF_JMP | BPF_JEQ | BPF_K, static_cast<std::uint32_t>(call), 0, 1);
    add(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
  }
  /// Where none of these bits of an argument is set.
  void allow_without(long call, unsigned argument, std::uint32_t bits) {
    load(offsetof(seccomp_data, nr));
    add(BPF_JMP | BPF_JEQ | BPF_K, static_cast<std::uint32_t>(call), 0, 3);
    load(offsetof(seccomp_data, args) + argument * sizeof(std::uint64_t));  // the lower half: little-endian alone
    add(BPF_JMP | BPF_JSET | BPF_K, bits, 1, 0);
    add(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
  }
  /// Where the first argument is this.
  void allow_of(long call, std::uint32_t first) {
    load(offsetof(seccomp_data, nr));
    add(BPF_JMP | BPF_JEQ | BPF_K, static_cast<std::uint32_t>(call), 0, 3);
    load(offsetof(seccomp_data, args));
    add(BPF_JMP | BPF_JEQ | BPF_K, first, 0, 1);
    add(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
  }
  /// Nothing is said where the kernel has no filters.
  void use() {
    add(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM);
    const sock_fprog program{.len = static_cast<unsigned short>(code_.size()), .filter = code_.data()};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0) {
      static_cast<void>(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0));
    }
  }

 private:
  void load(std::size_t offset) { add(BPF_LD | BPF_W | BPF_ABS, static_cast<std::uint32_t>(offset)); }
  void add(int code, std::uint32_t k, int if_true = 0, int if_false = 0) {
    code_.push_back({.code = static_cast<std::uint16_t>(code),
                     .jt = static_cast<std::uint8_t>(if_true),
                     .jf = static_cast<std::uint8_t>(if_false),
                     .k = k});
  }
  std::vector<sock_filter> code_;
};

void limit(__rlimit_resource_t what, rlim_t most) {
  rlimit now{};
  if (getrlimit(what, &now) == 0 && most < now.rlim_cur) {
    now.rlim_cur = most;
    static_cast<void>(setrlimit(what, &now));
  }
}

void confine(int answer, const Confinement& c) {
  limit(RLIMIT_CORE, 0);
  limit(RLIMIT_CPU, c.most_seconds);
  if (!kSanitized) {
    std::size_t pages = 0;
    std::ifstream("/proc/self/statm") >> pages;
    limit(RLIMIT_AS, pages * static_cast<std::size_t>(sysconf(_SC_PAGESIZE)) + c.most_bytes);
  }
  if (!confines()) { return; }
  Filter filter;
  for (const long call :
       {__NR_exit, __NR_exit_group, __NR_brk, __NR_munmap, __NR_mremap, __NR_madvise, __NR_futex, __NR_rt_sigreturn,
        __NR_rt_sigprocmask, __NR_clock_gettime, __NR_gettimeofday, __NR_sched_yield, __NR_getpid, __NR_gettid}) {
    filter.allow(call);
  }
  filter.allow_without(__NR_mmap, 2, PROT_EXEC);
  filter.allow_without(__NR_mprotect, 2, PROT_EXEC);
  filter.allow_of(__NR_write, static_cast<std::uint32_t>(answer));
  filter.use();
}

/// The child: ends here.
[[noreturn]] void work_and_answer(int to, const Confinement& c, const std::function<std::string()>& work) {
  for (const int crash : {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT}) {  // no handler of the parent's speaks for it
    static_cast<void>(std::signal(crash, SIG_DFL));
  }
  int code = 1;
  try {
    std::string answer;
    try {
      if (c.prepare) { c.prepare(); }
      confine(to, c);
      answer = kResult + work();
    } catch (const DataError& e) { answer = kDamaged + std::string(e.what()); } catch (const MemoryError& e) {
      answer = kTooLarge + std::string(e.what());
    } catch (const Error& e) { answer = kOther + std::string(e.what()); } catch (const std::bad_alloc&) {
      answer = kTooLarge + c.what + ": takes too much memory";
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

}  // namespace

bool confines() { return kMachine != 0 && !kSanitized && prctl(PR_GET_SECCOMP, 0, 0, 0, 0) >= 0; }

std::string confined(const Confinement& c, const std::function<std::string()>& work) {
  std::array<int, 2> ends{};
  const bool piped = pipe2(ends.data(), O_CLOEXEC) == 0;
  Descriptor from(piped ? ends[0] : -1);
  Descriptor to(piped ? ends[1] : -1);
  const pid_t child = piped ? fork() : -1;
  if (child < 0) {
    fail<MemoryError>(__FILE__, __LINE__,
                      fmt::format("{}: no process can be started: {}", c.what, std::generic_category().message(errno)));
  }
  if (child == 0) { work_and_answer(to.get(), c, work); }
  to = Descriptor();
  const std::string answer = all_of(from.get());
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {}
  VOX_CHECK_DATA(!WIFSIGNALED(status) || WTERMSIG(status) != SIGXCPU, "{}: took more than {} s of processor time",
                 c.what, c.most_seconds);
  // NOLINTNEXTLINE(concurrency-mt-unsafe): glibc keeps strsignal's text for each thread by itself
  const auto name_of = [](int number) { return strsignal(number); };
  VOX_CHECK_DATA(!WIFSIGNALED(status), "{}: ended by signal {} ({}): damaged input, or there is no memory", c.what,
                 WTERMSIG(status), name_of(WTERMSIG(status)));
  VOX_CHECK_DATA(WIFEXITED(status) && WEXITSTATUS(status) == 0 && !answer.empty(), "{}: gave no answer", c.what);
  std::string rest = answer.substr(1);
  if (answer[0] == kDamaged) { VOX_FAIL_DATA("{}", rest); }
  if (answer[0] == kTooLarge) { fail<MemoryError>(__FILE__, __LINE__, rest); }
  if (answer[0] == kOther) { VOX_FAIL("{}", rest); }
  VOX_CHECK_DATA(answer[0] == kResult, "{}: gave no answer", c.what);
  return rest;
}

}  // namespace vox
