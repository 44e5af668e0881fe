#include "engine/append_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>
#include <utility>

#include "kernels/base/check.h"

namespace vox {

AppendFile::AppendFile(std::filesystem::path path) : path_(std::move(path)) {
  constexpr int kMode = 0666;
  descriptor_ = open(path_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, kMode);
  if (descriptor_ < 0) { fail_with(errno); }
}

AppendFile::~AppendFile() { close(descriptor_); }

void AppendFile::append(std::string_view text) {
  struct stat before {};
  const bool known = fstat(descriptor_, &before) == 0;
  while (!text.empty()) {
    const ssize_t n = ::write(descriptor_, text.data(), text.size());
    if (n < 0 && errno == EINTR) { continue; }
    if (n <= 0) {
      const int number = errno;
      if (known && S_ISREG(before.st_mode)) { static_cast<void>(!ftruncate(descriptor_, before.st_size)); }
      fail_with(number);
    }
    text.remove_prefix(static_cast<std::size_t>(n));
  }
}

void AppendFile::sync() {
  int synced = 0;
  do { synced = fsync(descriptor_); } while (synced != 0 && errno == EINTR);
  if (synced != 0 && errno != EINVAL) { fail_with(errno); }  // that: no regular file
}

void AppendFile::fail_with(int number) const {
  VOX_FAIL_OUTPUT("{}: cannot be written: {}", path_.string(), std::generic_category().message(number));
}

}  // namespace vox
