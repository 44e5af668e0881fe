// Calls that take a descriptor.
#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cstdio>

#include "tests/support/faults/faults.h"

using vox::faults::Call;
using vox::faults::Fault;
using vox::faults::Kind;
using vox::faults::Watched;

namespace {

template <class Do> int descriptor_call(const char* name, int fd, const Do& act) {
  const Watched watched(fd);
  Call call(Kind::file, name, watched.path());
  if (call.fails()) { return call.returns(-1); }
  return call.returns(act());
}

/// A stream that has failed knows it: the bit that ferror() looks at.
void mark_failed(FILE* file) { file->_flags |= 0x20; }

/// Where the next write goes: the end of a file that is appended to.
long place_of(int fd, bool watched) {
  if (!watched) { return -1; }
  const long flags = syscall(SYS_fcntl, fd, F_GETFL);
  if (flags >= 0 && (flags & O_APPEND) != 0) {
    struct stat status {};
    return syscall(SYS_fstat, fd, &status) == 0 ? status.st_size : -1;
  }
  return syscall(SYS_lseek, fd, 0, SEEK_CUR);
}

}  // namespace

extern "C" {

ssize_t read(int fd, void* to, std::size_t bytes) {
  VOX_REAL(read);
  const Watched watched(fd);
  Call call(Kind::file, "read", watched.path());
  if (call.fails()) { return call.returns(-1); }
  return call.returns(real(fd, to, call.bytes(bytes)));
}

#define VOX_PREAD(NAME)                                         \
  ssize_t NAME(int fd, void* to, std::size_t bytes, off_t at) { \
    VOX_REAL(NAME);                                             \
    const Watched watched(fd);                                  \
    Call call(Kind::file, "read", watched.path());              \
    if (call.fails()) { return call.returns(-1); }              \
    return call.returns(real(fd, to, call.bytes(bytes), at));   \
  }
VOX_PREAD(pread)
VOX_PREAD(pread64)

// What the compiler makes of read() and pread() with _FORTIFY_SOURCE.
ssize_t __read_chk(int fd, void* to, std::size_t bytes, std::size_t) { return read(fd, to, bytes); }
ssize_t __pread_chk(int fd, void* to, std::size_t bytes, off_t at, std::size_t) { return pread(fd, to, bytes, at); }
ssize_t __pread64_chk(int fd, void* to, std::size_t bytes, off_t at, std::size_t) { return pread(fd, to, bytes, at); }

ssize_t write(int fd, const void* from, std::size_t bytes) {
  VOX_REAL(write);
  const Watched watched(fd);
  Call call(Kind::file, "write", watched.path());
  if (call.fails()) { return call.returns(-1); }
  const long at = place_of(fd, static_cast<bool>(watched));
  const ssize_t n = call.returns(real(fd, from, call.bytes(bytes)));
  call.wrote(from, n, at);
  return n;
}

#define VOX_PWRITE(NAME)                                                   \
  ssize_t NAME(int fd, const void* from, std::size_t bytes, off_t at) {    \
    VOX_REAL(NAME);                                                        \
    const Watched watched(fd);                                             \
    Call call(Kind::file, "write", watched.path());                        \
    if (call.fails()) { return call.returns(-1); }                         \
    const ssize_t n = call.returns(real(fd, from, call.bytes(bytes), at)); \
    call.wrote(from, n, at);                                               \
    return n;                                                              \
  }
VOX_PWRITE(pwrite)
VOX_PWRITE(pwrite64)

/// As one write of its first piece and so on, so that each is in the trace.
ssize_t writev(int fd, const iovec* pieces, int count) {
  VOX_REAL(writev);
  if (!Watched(fd)) { return real(fd, pieces, count); }
  ssize_t total = 0;
  for (int i = 0; i < count; ++i) {
    if (pieces[i].iov_len == 0) { continue; }
    const ssize_t n = write(fd, pieces[i].iov_base, pieces[i].iov_len);
    if (n < 0) { return total > 0 ? total : n; }
    total += n;
    if (static_cast<std::size_t>(n) < pieces[i].iov_len) { break; }
  }
  return total;
}

// Of a stream of the C library, whose own read() and write() are not seen.
std::size_t fread(void* to, std::size_t size, std::size_t count, FILE* file) {
  VOX_REAL(fread);
  const Watched watched(fileno(file));
  Call call(Kind::file, "read", watched.path());
  if (call.fails()) {
    mark_failed(file);
    call.returns(-1);
    errno = call.number();
    return 0;
  }
  return call.returns(real(to, size, call.bytes(count), file));
}

std::size_t fwrite(const void* from, std::size_t size, std::size_t count, FILE* file) {
  VOX_REAL(fwrite);
  const Watched watched(fileno(file));
  Call call(Kind::file, "fwrite", watched.path());
  if (call.fails()) {
    mark_failed(file);
    call.returns(-1);
    errno = call.number();
    return 0;
  }
  return call.returns(real(from, size, call.bytes(count), file));
}

int fclose(FILE* file) {
  VOX_REAL(fclose);
  const Watched watched(fileno(file));
  Call call(Kind::file, "close", watched.path());
  const int result = real(file);
  return call.returns(call.fails() ? EOF : result);
}

int close(int fd) {  // closes in any case, as Linux does
  VOX_REAL(close);
  const Watched watched(fd);
  Call call(Kind::file, "close", watched.path());
  const int result = real(fd);
  return call.returns(call.fails() ? -1 : result);
}

int fsync(int fd) {
  VOX_REAL(fsync);
  return descriptor_call("fsync", fd, [&] { return real(fd); });
}

int fdatasync(int fd) {
  VOX_REAL(fdatasync);
  return descriptor_call("fsync", fd, [&] { return real(fd); });
}

int flock(int fd, int operation) {
  VOX_REAL(flock);
  return descriptor_call("flock", fd, [&] { return real(fd, operation); });
}

#define VOX_FTRUNCATE(NAME)                            \
  int NAME(int fd, off_t bytes) {                      \
    VOX_REAL(NAME);                                    \
    const Watched watched(fd);                         \
    Call call(Kind::file, "truncate", watched.path()); \
    if (call.fails()) { return call.returns(-1); }     \
    call.wrote(nullptr, 0, bytes);                     \
    return call.returns(real(fd, bytes));              \
  }
VOX_FTRUNCATE(ftruncate)
VOX_FTRUNCATE(ftruncate64)

#define VOX_MMAP(NAME)                                                                      \
  void* NAME(void* where, std::size_t bytes, int protection, int flags, int fd, off_t at) { \
    VOX_REAL(NAME);                                                                         \
    const Watched watched(fd);                                                              \
    Call call(Kind::file, "mmap", watched.path());                                          \
    if (call.fails()) { return call.returns(-1), MAP_FAILED; }                              \
    void* const start = real(where, bytes, protection, flags, fd, at);                      \
    if (call.fault() == Fault::truncate) {                                                  \
      char path[1025];                                                                      \
      std::snprintf(path, sizeof path, "/proc/self/fd/%d", fd);                             \
      syscall(SYS_truncate, path, static_cast<off_t>(bytes / 2));                           \
    }                                                                                       \
    call.returns(start == MAP_FAILED ? -1 : 0);                                             \
    return start;                                                                           \
  }
VOX_MMAP(mmap)
VOX_MMAP(mmap64)
}
