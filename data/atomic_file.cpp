#include "data/atomic_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <system_error>
#include <utility>

#include "kernels/check.h"

namespace vox {
namespace {

/// Unique among the threads and processes that write into one folder.
std::filesystem::path temporary_beside(const std::filesystem::path& path) {
  static std::atomic<unsigned> count{0};
  return path.parent_path() / fmt::format(".{}.{}-{}.tmp", path.filename().string(), getpid(), count++);
}

}  // namespace

AtomicFile::AtomicFile(std::filesystem::path path) : path_(std::move(path)), temporary_(temporary_beside(path_)) {
  constexpr int kMode = 0666;  // the umask takes away what the user does not want
  descriptor_ = open(temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, kMode);
  if (descriptor_ < 0) { fail_with_errno("cannot create"); }
}

AtomicFile::~AtomicFile() {
  if (descriptor_ < 0) { return; }
  close(descriptor_);
  std::error_code ignored;
  std::filesystem::remove(temporary_, ignored);
}

void AtomicFile::write(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::write(descriptor_, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) { continue; }
    if (n < 0) { fail_with_errno("cannot write"); }
    bytes = bytes.subspan(static_cast<std::size_t>(n));
  }
}

void AtomicFile::commit() {
  if (fsync(descriptor_) != 0) { fail_with_errno("cannot flush"); }
  if (rename(temporary_.c_str(), path_.c_str()) != 0) { fail_with_errno("cannot rename the temporary file to"); }
  close(std::exchange(descriptor_, -1));
  // The rename itself lasts through a crash once the folder is on disk; some file systems cannot fsync a folder.
  const std::filesystem::path folder = path_.has_parent_path() ? path_.parent_path() : ".";
  const int directory = open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (directory >= 0) {
    fsync(directory);
    close(directory);
  }
}

void AtomicFile::fail_with_errno(const char* doing) const {
  const std::string reason = std::generic_category().message(errno);
  VOX_FAIL_DATA("{} '{}': {}", doing, path_.string(), reason);
}

}  // namespace vox
