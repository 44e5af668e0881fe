#include "engine/open_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

namespace vox {
namespace {

namespace fs = std::filesystem;

fs::file_type type_in(mode_t mode) {
  if (S_ISREG(mode)) { return fs::file_type::regular; }
  if (S_ISDIR(mode)) { return fs::file_type::directory; }
  return S_ISFIFO(mode) ? fs::file_type::fifo : fs::file_type::unknown;
}

}  // namespace

Descriptor::~Descriptor() {
  if (number_ >= 0) { close(number_); }
}

OpenFile open_regular(const fs::path& path) {
  OpenFile file;
  Descriptor opened(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  struct stat status {};
  if (opened.get() < 0 || fstat(opened.get(), &status) != 0) {
    file.error = errno;
    if (file.error == ENOENT || file.error == ENOTDIR) { file.type = fs::file_type::not_found; }
    if (file.error == ENXIO) { file.type = fs::file_type::unknown; }  // a socket
    return file;
  }
  file.type = type_in(status.st_mode);
  if (file.type != fs::file_type::regular) { return file; }
  file.bytes = static_cast<std::uint64_t>(status.st_size);
  file.descriptor = std::move(opened);
  return file;
}

}  // namespace vox
