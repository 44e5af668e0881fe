#include "kernels/simt/faults.h"

#include <fcntl.h>
#include <link.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <memory>
#include <mutex>
#include <set>
#include <utility>
#include <vector>

#include "kernels/base/check.h"

extern char** environ;  // NOLINT: of POSIX

namespace vox::simt {
namespace {

constexpr std::size_t kMostFaults = 20;  // the rest rarely says more

struct Found {
  Fault kind;
  Site at;
  std::string text;
};

struct Faults {
  std::mutex mutex;
  std::vector<Found> found;
  std::set<std::pair<Fault, std::string>> seen;
};

Faults& faults() {
  static Faults f;
  return f;
}

/// The program is linked at 0 or loaded elsewhere: addr2line wants the address it was linked at.
std::uintptr_t load_address() {
  std::uintptr_t address = 0;
  dl_iterate_phdr(
      [](dl_phdr_info* info, std::size_t, void* result) {
        *static_cast<std::uintptr_t*>(result) = info->dlpi_addr;
        return 1;  // the first one is the program
      },
      &address);
  return address;
}

struct CloseFile {
  void operator()(std::FILE* f) const noexcept {
    static_cast<void>(std::fclose(f));  // NOLINT(cppcoreguidelines-owning-memory): of a unique_ptr
  }
};

/// The first line that a program prints; empty where it cannot be run. No shell reads the words.
std::string first_line_of(std::vector<std::string> words) {
  std::array<int, 2> ends{};
  if (pipe2(ends.data(), O_CLOEXEC) != 0) { return {}; }
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
  posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
  std::vector<char*> arguments;
  for (std::string& word : words) { arguments.push_back(word.data()); }
  arguments.push_back(nullptr);
  pid_t child = 0;
  const int error = posix_spawnp(&child, arguments.front(), &actions, nullptr, arguments.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  close(ends[1]);
  const std::unique_ptr<std::FILE, CloseFile> pipe(fdopen(ends[0], "r"));
  std::array<char, 512> line{};
  const bool read =
      error == 0 && pipe != nullptr && std::fgets(line.data(), static_cast<int>(line.size()), pipe.get()) != nullptr;
  while (error == 0 && waitpid(child, nullptr, 0) == -1 && errno == EINTR) {}
  return read ? line.data() : "";
}

std::string look_up(const void* address) {
  std::array<char, 4096> program{};
  if (readlink("/proc/self/exe", program.data(), program.size() - 1) <= 0) { return {}; }
  // One byte back: the hook's return address is the instruction after the access.
  const std::uintptr_t at = reinterpret_cast<std::uintptr_t>(address) - load_address() - 1;
  std::string text = first_line_of({"addr2line", "-s", "-e", program.data(), fmt::format("{:#x}", at)});
  if (text.empty()) { return {}; }
  text.resize(std::min({text.size(), text.find('\n'), text.find(" (disc")}));
  return text.starts_with("??") ? std::string() : text;
}

}  // namespace

const char* name(Fault f) {
  switch (f) {
    case Fault::deadlock:
      return "deadlock";
    case Fault::divergent_barrier:
      return "divergent-barrier";
    case Fault::exit_at_barrier:
      return "exit-at-barrier";
    case Fault::bad_mask:
      return "bad-mask";
    case Fault::bad_lane:
      return "bad-lane";
    case Fault::warp_divergence:
      return "warp-divergence";
    case Fault::shared_bounds:
      return "shared-out-of-bounds";
    case Fault::global_bounds:
      return "global-out-of-bounds";
    case Fault::wild_address:
      return "wild-address";
    case Fault::uninitialised_shared:
      return "uninitialised-shared-read";
    case Fault::uninitialised_global:
      return "uninitialised-global-read";
    case Fault::shared_race:
      return "shared-race";
    case Fault::global_race:
      return "global-race";
    case Fault::async_hazard:
      return "async-copy-hazard";
    case Fault::pending_async:
      return "pending-async";
    case Fault::misaligned:
      return "misaligned";
    case Fault::limit:
      return "limit";
    case Fault::tf32_operand:
      return "tf32-operand";
  }
  return "fault";
}

std::string text_of(const Site& s) {
  if (s.file != nullptr) {
    const std::string_view path = s.file;
    return fmt::format("{}:{}", path.substr(path.rfind('/') + 1), s.line);
  }
  const std::string text = look_up(s.address);
  return text.empty() ? fmt::format("address {}", s.address) : text;
}

std::string place_of(const ThreadContext& t) {
  const uint3& b = this_block.index;
  return fmt::format("block ({},{},{}) thread ({},{},{})", b.x, b.y, b.z, t.index.x, t.index.y, t.index.z);
}

void report(Fault kind, const Site& at, const std::string& text) {
  Faults& f = faults();
  const std::lock_guard lock(f.mutex);
  const std::string key = fmt::format("{} {} {}", at.address, at.file == nullptr ? "" : at.file, at.line);
  if (f.found.size() < kMostFaults && f.seen.insert({kind, key}).second) { f.found.push_back({kind, at, text}); }
}

void throw_faults(const Launch& l) {
  Faults& f = faults();
  const std::lock_guard lock(f.mutex);
  if (f.found.empty()) { return; }
  const std::vector<Found> found = std::exchange(f.found, {});
  f.seen.clear();
  std::string all;
  for (const Found& e : found) { all += fmt::format("\n  {} at {}: {}", name(e.kind), text_of(e.at), e.text); }
  VOX_FAIL("kernel {} launched at {}:{}", l.name, text_of(l.at), all);
}

}  // namespace vox::simt
