#include "tools/ui/output.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <mutex>
#include <system_error>

namespace vox {
namespace {

std::mutex mutex;
std::vector<std::string> failed;
constexpr std::string_view kStdout = "cannot write to the standard output";

}  // namespace

void hold_standard_descriptors() {
  for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (fcntl(fd, F_GETFD) != -1 || errno != EBADF) { continue; }
    // Of the free numbers open() takes the lowest, which is this one. The wrong way round: a read, or a write, fails.
    if (open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY) == -1) { return; }
  }
}

void outlive_readers() { static_cast<void>(std::signal(SIGPIPE, SIG_IGN)); }

void silence_stdout() {
  const int nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);
  if (nowhere == -1 || dup2(nowhere, STDOUT_FILENO) == -1) { note_failed_stdout(errno); }
  if (nowhere != -1) { close(nowhere); }
}

void write_stdout(std::string_view text) {
  const bool written = std::fwrite(text.data(), 1, text.size(), stdout) == text.size();
  if (!written || std::fflush(stdout) != 0) { note_failed_stdout(errno); }
}

void write_stderr(std::string_view text) { static_cast<void>(std::fwrite(text.data(), 1, text.size(), stderr)); }

void note_failed_output(const std::string& message) {
  const std::lock_guard lock(mutex);
  if (std::ranges::find(failed, message) == failed.end()) { failed.push_back(message); }
}

void note_failed_stdout(int error_number) {
  const std::lock_guard lock(mutex);
  const auto said = [](const std::string& message) { return message.starts_with(kStdout); };
  if (std::ranges::any_of(failed, said)) { return; }  // later ones do not know the reason any more
  failed.emplace_back(kStdout);
  if (error_number != 0) { failed.back() += ": " + std::generic_category().message(error_number); }
}

std::vector<std::string> finish_output() {
  errno = 0;  // std::cout keeps nothing back: it writes through stdout's buffer
  if (std::fflush(stdout) != 0 || std::ferror(stdout) != 0) { note_failed_stdout(errno); }
  const std::lock_guard lock(mutex);
  return failed;
}

}  // namespace vox
