// Calls that take a path or open a file. Names that end in 64 are the same functions on 64-bit Linux.
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdarg>
#include <cstdio>

#include "tests/support/faults/faults.h"

using vox::faults::Call;
using vox::faults::Fault;
using vox::faults::Kind;
using vox::faults::Watched;

namespace {

/// "open" for reading, "create" where the file is made or written.
const char* opening(int flags) { return (flags & (O_CREAT | O_WRONLY | O_RDWR | O_TRUNC)) != 0 ? "create" : "open"; }
const char* opening(const char* mode) { return mode[0] == 'r' && mode[1] != '+' && mode[2] != '+' ? "open" : "create"; }

/// A call that returns -1 where it fails.
template <class Do> int path_call(const char* name, const Watched& path, const Do& act) {
  Call call(Kind::file, name, path.path());
  if (call.fails()) { return call.returns(-1); }
  return call.returns(act());
}
template <class Do> int path_call(const char* name, const Watched& path, const Watched& other, const Do& act) {
  Call call(Kind::file, name, path.path(), other.path());
  if (call.fails()) { return call.returns(-1); }
  return call.returns(act());
}

mode_t mode_of(int flags, std::va_list list) {
  return (flags & (O_CREAT | __O_TMPFILE)) != 0 ? va_arg(list, mode_t) : mode_t{0};
}

}  // namespace

extern "C" {

#define VOX_OPEN(NAME)                                                                        \
  int NAME(const char* path, int flags, ...) {                                                \
    VOX_REAL(NAME);                                                                           \
    std::va_list list;                                                                        \
    va_start(list, flags);                                                                    \
    const mode_t mode = mode_of(flags, list);                                                 \
    va_end(list);                                                                             \
    return path_call(opening(flags), Watched(path), [&] { return real(path, flags, mode); }); \
  }
VOX_OPEN(open)
VOX_OPEN(open64)

#define VOX_OPENAT(NAME)                                                                                      \
  int NAME(int folder, const char* path, int flags, ...) {                                                    \
    VOX_REAL(NAME);                                                                                           \
    std::va_list list;                                                                                        \
    va_start(list, flags);                                                                                    \
    const mode_t mode = mode_of(flags, list);                                                                 \
    va_end(list);                                                                                             \
    return path_call(opening(flags), Watched(path, folder), [&] { return real(folder, path, flags, mode); }); \
  }
VOX_OPENAT(openat)
VOX_OPENAT(openat64)

// What the compiler makes of open() with _FORTIFY_SOURCE.
int __open_2(const char* path, int flags) { return open(path, flags); }
int __open64_2(const char* path, int flags) { return open(path, flags); }
int __openat_2(int folder, const char* path, int flags) { return openat(folder, path, flags); }

#define VOX_FOPEN(NAME)                                     \
  FILE* NAME(const char* path, const char* mode) {          \
    VOX_REAL(NAME);                                         \
    const Watched watched(path);                            \
    Call call(Kind::file, opening(mode), watched.path());   \
    if (call.fails()) { return call.returns(-1), nullptr; } \
    FILE* const file = real(path, mode);                    \
    call.returns(file == nullptr ? -1 : fileno(file));      \
    return file;                                            \
  }
VOX_FOPEN(fopen)
VOX_FOPEN(fopen64)

DIR* opendir(const char* path) {
  VOX_REAL(opendir);
  const Watched watched(path);
  Call call(Kind::file, "opendir", watched.path());
  if (call.fails()) { return call.returns(-1), nullptr; }
  DIR* const folder = real(path);
  call.returns(folder == nullptr ? -1 : 0);
  return folder;
}

DIR* fdopendir(int fd) {
  VOX_REAL(fdopendir);
  const Watched watched(fd);
  Call call(Kind::file, "opendir", watched.path());
  if (call.fails()) { return call.returns(-1), nullptr; }
  DIR* const folder = real(fd);
  call.returns(folder == nullptr ? -1 : 0);
  return folder;
}

#define VOX_READDIR(NAME, ENTRY)                            \
  ENTRY* NAME(DIR* folder) {                                \
    VOX_REAL(NAME);                                         \
    const Watched watched(dirfd(folder));                   \
    Call call(Kind::file, "readdir", watched.path());       \
    if (call.fails()) { return call.returns(-1), nullptr; } \
    ENTRY* const entry = real(folder);                      \
    call.returns(entry == nullptr ? 0 : 1);                 \
    return entry;                                           \
  }
VOX_READDIR(readdir, dirent)
VOX_READDIR(readdir64, dirent64)

#define VOX_STAT(NAME, STATUS)                                               \
  int NAME(const char* path, STATUS* to) {                                   \
    VOX_REAL(NAME);                                                          \
    return path_call("stat", Watched(path), [&] { return real(path, to); }); \
  }
VOX_STAT(stat, struct stat)
VOX_STAT(stat64, struct stat64)
VOX_STAT(lstat, struct stat)
VOX_STAT(lstat64, struct stat64)

#define VOX_FSTAT(NAME, STATUS)                                           \
  int NAME(int fd, STATUS* to) {                                          \
    VOX_REAL(NAME);                                                       \
    return path_call("fstat", Watched(fd), [&] { return real(fd, to); }); \
  }
VOX_FSTAT(fstat, struct stat)
VOX_FSTAT(fstat64, struct stat64)

int access(const char* path, int mode) {
  VOX_REAL(access);
  return path_call("access", Watched(path), [&] { return real(path, mode); });
}

int mkdir(const char* path, mode_t mode) {
  VOX_REAL(mkdir);
  return path_call("mkdir", Watched(path), [&] { return real(path, mode); });
}

int rmdir(const char* path) {
  VOX_REAL(rmdir);
  return path_call("rmdir", Watched(path), [&] { return real(path); });
}

int unlink(const char* path) {
  VOX_REAL(unlink);
  return path_call("unlink", Watched(path), [&] { return real(path); });
}

int unlinkat(int folder, const char* path, int flags) {
  VOX_REAL(unlinkat);
  const char* const name = (flags & AT_REMOVEDIR) != 0 ? "rmdir" : "unlink";
  return path_call(name, Watched(path, folder), [&] { return real(folder, path, flags); });
}

int remove(const char* path) {
  VOX_REAL(remove);
  return path_call("unlink", Watched(path), [&] { return real(path); });
}

int rename(const char* from, const char* to) {
  VOX_REAL(rename);
  return path_call("rename", Watched(from), Watched(to), [&] { return real(from, to); });
}

int symlink(const char* to, const char* path) {
  VOX_REAL(symlink);
  return path_call("symlink", Watched(path), [&] { return real(to, path); });
}

#define VOX_TRUNCATE(NAME)                             \
  int NAME(const char* path, off_t bytes) {            \
    VOX_REAL(NAME);                                    \
    const Watched watched(path);                       \
    Call call(Kind::file, "truncate", watched.path()); \
    if (call.fails()) { return call.returns(-1); }     \
    call.wrote(nullptr, 0, bytes);                     \
    return call.returns(real(path, bytes));            \
  }
VOX_TRUNCATE(truncate)
VOX_TRUNCATE(truncate64)
}
