// Counting, choosing and writing down. Nothing here allocates: the allocator may be what is counted.
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <span>

#include "tests/support/faults/faults.h"

namespace vox::faults {
namespace {

struct Named {
  std::string_view name;
  Fault fault;
  int number;
};
constexpr std::array<Named, 21> kFaults{
    {{"ENOSPC", Fault::error, ENOSPC}, {"EIO", Fault::error, EIO},       {"EACCES", Fault::error, EACCES},
     {"EPERM", Fault::error, EPERM},   {"EROFS", Fault::error, EROFS},   {"EDQUOT", Fault::error, EDQUOT},
     {"ENOENT", Fault::error, ENOENT}, {"EMFILE", Fault::error, EMFILE}, {"EINTR", Fault::error, EINTR},
     {"EINVAL", Fault::error, EINVAL}, {"ENOLCK", Fault::error, ENOLCK}, {"ESTALE", Fault::error, ESTALE},
     {"ENOMEM", Fault::error, ENOMEM}, {"EAGAIN", Fault::error, EAGAIN}, {"short", Fault::shorter, 0},
     {"torn", Fault::torn, 0},         {"killed", Fault::killed, 0},     {"truncate", Fault::truncate, 0},
     {"vanish", Fault::vanish, 0},     {"stopped", Fault::stopped, 0},   {"none", Fault::none, 0}}};
constexpr std::array<std::string_view, 3> kKinds{"file", "memory", "thread"};

/// Which calls fail, and how.
struct Choice {
  Kind kind = Kind::file;
  std::uint64_t number = 0;
  bool and_later = false;  ///< all calls from that one on
  Fault fault = Fault::none;
  int error = 0;
  std::string_view only;  ///< names of calls, separated by '/'; empty: all

  [[nodiscard]] bool takes(Kind of, std::uint64_t count, std::string_view name) const {
    return of == kind && (count == number || (and_later && count > number)) && (only.empty() || is_named(name));
  }
  [[nodiscard]] bool is_named(std::string_view name) const {
    for (std::string_view left = only; !left.empty();) {
      const std::string_view one = left.substr(0, left.find('/'));
      if (one == name) { return true; }
      left.remove_prefix(std::min(left.size(), one.size() + 1));
    }
    return false;
  }
};

struct Settings {
  bool on = false;
  std::array<bool, 3> counted{};
  std::string_view folders;  ///< separated by ':'
  std::size_t from_bytes = 0;
  std::array<Choice, 4> choices;
  std::size_t chosen = 0;  ///< how many choices there are
  int trace = -1;
  int data = -1;
};

Settings settings;
std::array<std::atomic<std::uint64_t>, 3> counts_of;
std::atomic<long> data_bytes{0};
thread_local int depth = 0;  // within the library

struct Inside {
  Inside() { ++depth; }
  ~Inside() { --depth; }
};

std::string_view variable(const char* name) {
  const char* const value = std::getenv(name);
  return value == nullptr ? std::string_view() : value;
}

/// A file of our own, at a high number: the program's own descriptors stay what they would be.
int descriptor_of(std::string_view path, int flags) {
  if (path.empty()) { return -1; }
  const int fd = static_cast<int>(syscall(SYS_openat, AT_FDCWD, path.data(), flags | O_CREAT | O_CLOEXEC, 0666));
  if (fd < 0) { return -1; }
  constexpr int kHigh = 900;
  const int high = fcntl(fd, F_DUPFD_CLOEXEC, kHigh);
  syscall(SYS_close, fd);
  return high;
}

[[noreturn]] void refuse(std::string_view what) {
  std::fprintf(stderr, "faults: cannot read %.*s\n", static_cast<int>(what.size()), what.data());
  std::_Exit(99);
}

/// The part of a text before a sign, which is taken off it, the sign too.
std::string_view next_part(std::string_view& text, char sign) {
  const std::string_view part = text.substr(0, text.find(sign));
  text.remove_prefix(std::min(text.size(), part.size() + 1));
  return part;
}

/// KIND:N:FAULT, N+ for all from the n-th on; behind another ':' the names of calls, where not all are meant.
Choice choice_of(std::string_view text) {
  std::string_view left = text;
  const std::string_view kind_name = next_part(left, ':');
  const std::string_view number = next_part(left, ':');
  const std::string_view fault_name = next_part(left, ':');
  const auto* const kind = std::find(kKinds.begin(), kKinds.end(), kind_name);
  const auto* const fault =
      std::find_if(kFaults.begin(), kFaults.end(), [&](const Named& n) { return n.name == fault_name; });
  if (kind == kKinds.end() || fault == kFaults.end() || number.empty()) { refuse(text); }
  return {.kind = static_cast<Kind>(kind - kKinds.begin()),
          .number = std::strtoull(number.data(), nullptr, 10),
          .and_later = number.back() == '+',
          .fault = fault->fault,
          .error = fault->number,
          .only = left};
}

void read_choices(std::string_view text) {
  while (!text.empty()) {
    if (settings.chosen == settings.choices.size()) { refuse(text); }
    settings.choices[settings.chosen++] = choice_of(next_part(text, ','));
  }
}

__attribute__((constructor)) void start() {
  const std::string_view program = variable("VOX_FAULTS_PROGRAM");
  if (std::string_view(program_invocation_short_name) != (program.empty() ? "voxgrad" : program)) { return; }
  settings.folders = variable("VOX_FAULTS_UNDER");
  settings.trace = descriptor_of(variable("VOX_FAULTS_TRACE"), O_WRONLY | O_APPEND);
  settings.data = descriptor_of(variable("VOX_FAULTS_DATA"), O_WRONLY | O_APPEND);
  const std::string_view from = variable("VOX_FAULTS_BYTES");
  settings.from_bytes = from.empty() ? 0 : std::strtoull(from.data(), nullptr, 10);
  settings.counted = {!settings.folders.empty(), settings.from_bytes > 0, !variable("VOX_FAULTS_THREADS").empty()};
  read_choices(variable("VOX_FAULTS_FAIL"));
  settings.on = true;
}

void append(int fd, const void* data, std::size_t bytes) {
  if (fd >= 0) { static_cast<void>(syscall(SYS_write, fd, data, bytes)); }
}

/// Takes "." and ".." out of an absolute path; symbolic links stay.
std::size_t normalise(char* text) {
  std::size_t out = 0;
  for (std::size_t in = 0; text[in] != '\0';) {
    while (text[in] == '/') { ++in; }
    const std::size_t begin = in;
    while (text[in] != '\0' && text[in] != '/') { ++in; }
    const std::string_view part(text + begin, in - begin);
    if (part.empty() || part == ".") { continue; }
    if (part == "..") {
      while (out > 0 && text[--out] != '/') {}
      continue;
    }
    text[out++] = '/';
    std::memmove(text + out, part.data(), part.size());
    out += part.size();
  }
  text[out] = '\0';
  return out;
}

}  // namespace

bool counts(Kind kind) { return settings.on && depth == 0 && settings.counted[static_cast<std::size_t>(kind)]; }
std::size_t counted_bytes() { return settings.from_bytes; }

Call::Call(Kind kind, std::string_view name, std::string_view path, std::string_view other)
    : kind_(kind), name_(name), path_(path), other_(other) {
  if (!counts(kind) || (kind == Kind::file && path.empty())) { return; }
  count_ = ++counts_of[static_cast<std::size_t>(kind)];
  const std::span choices = std::span(settings.choices).first(settings.chosen);
  const auto choice = std::ranges::find_if(choices, [&](const Choice& c) { return c.takes(kind, count_, name); });
  if (choice == choices.end()) { return; }
  fault_ = choice->fault;
  number_ = choice->error;
  const Inside inside;
  const auto file = [this] {  // with its end
    static thread_local char text[1025];
    std::memcpy(text, path_.data(), path_.size());
    text[path_.size()] = '\0';
    return text;
  };
  if (fault_ == Fault::stopped) { raise(SIGSTOP); }
  if (fault_ == Fault::vanish) { syscall(SYS_unlink, file()); }
  if (fault_ == Fault::truncate && name_ != "mmap") {
    struct stat status {};
    if (::stat(file(), &status) == 0) { syscall(SYS_truncate, file(), status.st_size / 2); }
  }
  if (fault_ == Fault::killed || (fault_ == Fault::torn && name_ != "write")) {
    result_ = -1;
    kill(getpid(), SIGKILL);
    pause();
  }
}

bool Call::fails() const {
  if (fault_ != Fault::error) { return false; }
  errno = number_;
  return true;
}

std::size_t Call::bytes(std::size_t wanted) const {
  const bool half = fault_ == Fault::shorter || fault_ == Fault::torn;
  return half ? std::max<std::size_t>(wanted / 2, std::min<std::size_t>(wanted, 1)) : wanted;
}

void Call::wrote(const void* data, long count, long at) {
  data_ = data;
  written_ = count;
  at_ = at;
}

Call::~Call() {
  if (count_ == 0) { return; }
  const Inside inside;
  const int kept = errno;
  long place = -1;
  if (written_ > 0 && settings.data >= 0) {
    place = data_bytes.fetch_add(written_);
    static_cast<void>(syscall(SYS_pwrite64, settings.data, data_, written_, place));
  }
  if (settings.trace >= 0) {
    char line[2600];
    const int n = std::snprintf(
        line, sizeof line, "%llu\t%.*s\t%.*s\t%.*s\t%.*s\t%ld\t%d\t%s\t%ld\t%ld\n",
        static_cast<unsigned long long>(count_), static_cast<int>(kKinds[static_cast<std::size_t>(kind_)].size()),
        kKinds[static_cast<std::size_t>(kind_)].data(), static_cast<int>(name_.size()), name_.data(),
        static_cast<int>(path_.size()), path_.data(), static_cast<int>(other_.size()), other_.data(), result_,
        result_ < 0 ? kept : 0, fault_ == Fault::none ? "-" : "fault", at_, place);
    append(settings.trace, line, std::min(static_cast<std::size_t>(n), sizeof line - 1));
  }
  if (fault_ == Fault::torn) {
    kill(getpid(), SIGKILL);
    pause();
  }
  errno = kept;
}

Watched::Watched(const char* path, int folder) {
  if (!counts(Kind::file) || path == nullptr || path[0] == '\0') { return; }
  const Inside inside;
  const int kept = errno;
  std::size_t base = 0;
  if (path[0] != '/') {
    char link[64] = "/proc/self/cwd";
    if (folder != AT_FDCWD) { std::snprintf(link, sizeof link, "/proc/self/fd/%d", folder); }
    const long n = syscall(SYS_readlink, link, text_, kLongest - 2);
    if (n > 0) { base = static_cast<std::size_t>(n); }
    text_[base++] = '/';
  }
  errno = kept;
  const std::size_t length = std::strlen(path);
  if (base + length + 2 > kLongest) { return; }
  std::memcpy(text_ + base, path, length + 1);
  length_ = normalise(text_);
  keep_if_watched();
}

Watched::Watched(int descriptor) {
  if (!counts(Kind::file) || descriptor < 0) { return; }
  const Inside inside;
  const int kept = errno;
  char link[64];
  std::snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
  const long n = syscall(SYS_readlink, link, text_, kLongest - 2);
  errno = kept;
  if (n <= 0 || text_[0] != '/') { return; }
  length_ = static_cast<std::size_t>(n);
  keep_if_watched();
}

void Watched::keep_if_watched() {
  std::string_view left = settings.folders;
  while (!left.empty()) {
    const std::string_view folder = left.substr(0, left.find(':'));
    left.remove_prefix(std::min(left.size(), folder.size() + 1));
    const bool under = path().starts_with(folder) && (length_ == folder.size() || text_[folder.size()] == '/');
    if (under) { return; }
  }
  length_ = 0;
}

}  // namespace vox::faults
