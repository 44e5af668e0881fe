#include "tools/ui/gnuplot.h"

#include <spawn.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <memory>
#include <utility>

#include "engine/own_process.h"

extern char** environ;  // NOLINT: of POSIX

namespace vox {
namespace {

struct CloseFile {
  void operator()(std::FILE* f) const {
    static_cast<void>(std::fclose(f));  // NOLINT(cppcoreguidelines-owning-memory): of a unique_ptr
  }
};
using File = std::unique_ptr<std::FILE, CloseFile>;

/// A file in memory: not a pipe, so that a child that dies early cannot kill us with SIGPIPE.
File open_in_memory() {
  const int descriptor = memfd_create("gnuplot", MFD_CLOEXEC);
  return File(descriptor < 0 ? nullptr : fdopen(descriptor, "w+"));
}

std::string content_of(std::FILE* file) {
  std::string content;
  std::array<char, 4096> part{};
  std::rewind(file);
  for (std::size_t n = 0; (n = std::fread(part.data(), 1, part.size(), file)) > 0;) { content.append(part.data(), n); }
  return content;
}

}  // namespace

Drawn run_gnuplot(const std::string& text) {
  const File in = open_in_memory();
  const File out = open_in_memory();
  const File messages = open_in_memory();
  if (!in || !out || !messages || std::fwrite(text.data(), 1, text.size(), in.get()) != text.size()) {
    return {.picture = {}, .wrong = "no memory for gnuplot's input and output"};
  }
  std::rewind(in.get());
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, fileno(in.get()), STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&actions, fileno(out.get()), STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions, fileno(messages.get()), STDERR_FILENO);
  std::string name = "gnuplot";
  std::array<char*, 2> arguments{name.data(), nullptr};
  pid_t child = 0;
  const int error = posix_spawnp(&child, name.c_str(), &actions, nullptr, arguments.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  if (error != 0) {
    return {.picture = {}, .wrong = "gnuplot cannot be run (Debian and Ubuntu: apt install gnuplot-nox)"};
  }
  int status = 0;
  while (waitpid(child, &status, 0) == -1 && errno == EINTR) {}
  std::string picture = content_of(out.get());
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0 && !picture.empty()) {
    return {.picture = std::move(picture), .wrong = {}};
  }
  if (WIFSIGNALED(status)) {
    return {.picture = {}, .wrong = "gnuplot " + end_by_signal(WTERMSIG(status)) + ": perhaps there is no memory"};
  }
  std::string said = content_of(messages.get()).substr(0, 400);
  const auto space = [](char c) { return c == ' ' || c == '\n'; };
  said.erase(std::unique(said.begin(), said.end(), [&](char a, char b) { return space(a) && space(b); }), said.end());
  std::replace(said.begin(), said.end(), '\n', ' ');
  return {.picture = {}, .wrong = "gnuplot failed: " + said};
}

}  // namespace vox
