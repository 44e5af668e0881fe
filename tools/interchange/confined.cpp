#include "tools/interchange/confined.h"

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <fstream>
#include <utility>
#include <vector>

#include "engine/own_process.h"
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

void confine(int answer, const Confinement& c) {
  if (!kSanitized) {
    std::size_t pages = 0;
    std::ifstream("/proc/self/statm") >> pages;
    lower_limit(RLIMIT_AS, pages * static_cast<std::size_t>(sysconf(_SC_PAGESIZE)) + c.most_bytes);
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

}  // namespace

bool confines() { return kMachine != 0 && !kSanitized && prctl(PR_GET_SECCOMP, 0, 0, 0, 0) >= 0; }

std::string confined(const Confinement& c, const std::function<std::string()>& work) {
  ProcessEnd end = in_own_process(c.what, c.most_seconds, [&](int to) {
    if (c.prepare) { c.prepare(); }
    confine(to, c);
    return work();
  });
  VOX_CHECK_DATA(end.signal == 0 || end.signal == SIGXCPU, "{}: {}: damaged input, or there is no memory", c.what,
                 end.failed);
  VOX_CHECK_DATA(end.failed.empty(), "{}: {}", c.what, end.failed);
  return std::move(end.answer);
}

}  // namespace vox
