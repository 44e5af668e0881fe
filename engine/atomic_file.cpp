#include "engine/atomic_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <optional>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "kernels/base/check.h"

namespace vox {
namespace {

namespace fs = std::filesystem;

/// The number in /proc/self/fd/N, /dev/fd/N or what leads there, as /dev/stdout does: a descriptor this process has.
std::optional<int> own_descriptor(const fs::path& path) {
  std::error_code error;
  const fs::path folder = fs::canonical(path.has_parent_path() ? path.parent_path() : ".", error);
  if (error || folder != fmt::format("/proc/{}/fd", getpid())) { return std::nullopt; }
  const std::string name = path.filename().string();
  int number = 0;
  const auto parsed = std::from_chars(name.data(), name.data() + name.size(), number);
  return parsed.ec == std::errc{} && parsed.ptr == name.data() + name.size() ? std::optional(number) : std::nullopt;
}

/// Follows symbolic links, one that leads nowhere yet included, but not into a descriptor of our own.
fs::path target_of(fs::path path) {
  constexpr int kMostLinks = 40;  // as Linux has it; more is a circle
  std::error_code error;
  for (int links = 0; links < kMostLinks && !own_descriptor(path); ++links) {
    const fs::path next = fs::read_symlink(path, error);
    if (error) { break; }
    path = path.parent_path() / next;  // an absolute one replaces the folder
  }
  return path;
}

constexpr std::string_view kTemporary = ".tmp-";

fs::path folder_of(const fs::path& path) { return path.has_parent_path() ? path.parent_path() : "."; }

/// fsync() of what was opened; a signal in between starts it again.
int sync(int descriptor) {
  for (;;) {
    if (fsync(descriptor) == 0) { return 0; }
    if (errno != EINTR) { return -1; }
  }
}

/// errno, or 0 where it is done or no fault: a folder that may not be read, or a file system that cannot.
int sync_of_folder(const fs::path& folder) {
  const int descriptor = open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0) { return errno == EACCES ? 0 : errno; }
  struct stat status {};
  // xfs that has shut itself down syncs folders without a word, but is not asked about them without one.
  const int number = sync(descriptor) == 0 && fstat(descriptor, &status) == 0 ? 0 : errno;
  close(descriptor);
  const bool cannot = number == EINVAL || number == EBADF || number == ENOTSUP;
  return cannot ? 0 : number;
}

/// Unique among the threads and processes that write into one folder.
fs::path temporary_beside(const fs::path& path) {
  static std::atomic<unsigned> count{0};
  return path.parent_path() / fmt::format(".{}{}{}-{}", path.filename().string(), kTemporary, getpid(), count++);
}

}  // namespace

AtomicFile::AtomicFile(fs::path path) : path_(std::move(path)), target_(target_of(path_)) {
  open_target();
  if (descriptor_ < 0) { fail_with_errno(); }
}

/// Leaves no descriptor, and the reason in errno, where it cannot.
void AtomicFile::open_target() {
  if (const auto own = own_descriptor(target_)) {
    // Shares its place with what is printed there, and comes after what has been printed.
    static_cast<void>(std::fflush(stdout));
    descriptor_ = fcntl(*own, F_DUPFD_CLOEXEC, 0);
    return;
  }
  constexpr int kMode = 0666;  // the umask takes away what the user does not want
  struct stat status {};
  const bool exists = stat(target_.c_str(), &status) == 0;
  if (!exists && errno == ELOOP) { return; }
  if (exists && !S_ISREG(status.st_mode)) {
    descriptor_ = open(target_.c_str(), O_WRONLY | O_CLOEXEC);
    return;
  }
  temporary_ = temporary_beside(target_);
  descriptor_ = open(temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, kMode);
}

AtomicFile::~AtomicFile() {
  if (descriptor_ < 0) { return; }
  close(descriptor_);
  std::error_code ignored;
  if (!temporary_.empty()) { fs::remove(temporary_, ignored); }
}

void AtomicFile::write(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::write(descriptor_, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) { continue; }
    if (n <= 0) { fail_with_errno(); }
    bytes = bytes.subspan(static_cast<std::size_t>(n));
  }
}

void AtomicFile::commit() {
  if (temporary_.empty()) {
    if (close(std::exchange(descriptor_, -1)) != 0) { fail_with_errno(); }
    return;
  }
  if (sync(descriptor_) != 0) { fail_with_errno(); }
  if (rename(temporary_.c_str(), target_.c_str()) != 0) { fail_with_errno(); }
  close(std::exchange(descriptor_, -1));
  if (const int number = sync_of_folder(folder_of(target_)); number != 0) {  // the rename may not last through a crash
    errno = number;
    fail_with_errno();
  }
}

void AtomicFile::fail_with_errno() const {
  VOX_FAIL_OUTPUT("{}: cannot be written: {}", path_.string(), std::generic_category().message(errno));
}

bool is_temporary(std::string_view name, std::string_view ending) {
  const std::size_t at = name.rfind(kTemporary);
  if (!name.starts_with('.') || at == std::string_view::npos || !name.substr(0, at).ends_with(ending)) { return false; }
  const std::string_view numbers = name.substr(at + kTemporary.size());
  return numbers.find('-') != std::string_view::npos && numbers.find_first_not_of("0123456789-") == numbers.npos;
}

void remove_temporaries(const fs::path& folder, std::string_view ending) {
  std::vector<fs::path> left;
  std::error_code error;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    if (is_temporary(it->path().filename().string(), ending)) { left.push_back(it->path()); }
  }
  for (const fs::path& path : left) { fs::remove(path, error); }  // what stays is in nobody's way
}

void make_folders(const fs::path& folder) {
  if (folder.empty()) { return; }
  std::error_code error;
  const fs::file_status there = fs::status(folder, error);
  if (fs::is_directory(there)) { return; }
  const fs::path above = folder_of(folder.has_filename() ? folder : folder.parent_path());
  if (there.type() != fs::file_type::none && above != folder) {  // else it cannot be told, nor of what is above
    make_folders(above);
    fs::create_directory(folder, error);
  }
  if (error) { VOX_FAIL_OUTPUT("{}: cannot make the folder: {}", folder.string(), error.message()); }
  sync_folder(above);
}

void sync_folder(const fs::path& folder) {
  const int number = sync_of_folder(folder);
  if (number == 0) { return; }
  VOX_FAIL_OUTPUT("{}: cannot be written to disk: {}", folder.string(), std::generic_category().message(number));
}

void write_file(const fs::path& path, std::span<const std::byte> bytes) {
  AtomicFile file(path);
  file.write(bytes);
  file.commit();
}

void write_file(const fs::path& path, std::string_view text) { write_file(path, std::as_bytes(std::span(text))); }

}  // namespace vox
