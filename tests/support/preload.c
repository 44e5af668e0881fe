// For script tests: what a machine does now and then. Built by cc -shared and put before a program by LD_PRELOAD.
//   VOXGRAD_TEST_CLOCK=back    the wall clock is set back by an hour each time it is read
//   VOXGRAD_TEST_DELAY_US=N    whoever opens a file for reading, reads from one or maps it waits so long, as for a slow
//                              network disk
//   VOXGRAD_TEST_FSYNC=none    a disk that says that it has written, and has not: fsync and fdatasync do nothing
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static long hours = 0;

static void set_back(time_t* seconds) {
  const char* const how = getenv("VOXGRAD_TEST_CLOCK");
  if (how != NULL && strcmp(how, "back") == 0) { *seconds -= 3600 * __atomic_add_fetch(&hours, 1, __ATOMIC_RELAXED); }
}

int clock_gettime(clockid_t clock, struct timespec* t) {
  static int (*next)(clockid_t, struct timespec*) = NULL;
  if (next == NULL) { next = (int (*)(clockid_t, struct timespec*))dlsym(RTLD_NEXT, "clock_gettime"); }
  const int result = next(clock, t);
  if (clock == CLOCK_REALTIME) { set_back(&t->tv_sec); }
  return result;
}

time_t time(time_t* out) {
  struct timespec t;
  clock_gettime(CLOCK_REALTIME, &t);
  if (out != NULL) { *out = t.tv_sec; }
  return t.tv_sec;
}

int gettimeofday(struct timeval* restrict out, void* restrict zone) {
  (void)zone;
  struct timespec t;
  clock_gettime(CLOCK_REALTIME, &t);
  out->tv_sec = t.tv_sec;
  out->tv_usec = t.tv_nsec / 1000;
  return 0;
}

static int synced(const char* name, int descriptor) {
  const char* const how = getenv("VOXGRAD_TEST_FSYNC");
  if (how != NULL && strcmp(how, "none") == 0) { return 0; }
  return ((int (*)(int))dlsym(RTLD_NEXT, name))(descriptor);
}

int fsync(int descriptor) { return synced("fsync", descriptor); }

int fdatasync(int descriptor) { return synced("fdatasync", descriptor); }

static void wait_for_disk(void) {
  const char* const how_long = getenv("VOXGRAD_TEST_DELAY_US");
  if (how_long != NULL) { usleep((useconds_t)atol(how_long)); }
}

static int is_file(int descriptor) {
  struct stat status;
  return descriptor >= 0 && fstat(descriptor, &status) == 0 && S_ISREG(status.st_mode);
}

static int opened(const char* name, const char* path, int flags, mode_t mode) {
  int (*const next)(const char*, int, ...) = (int (*)(const char*, int, ...))dlsym(RTLD_NEXT, name);
  if ((flags & O_ACCMODE) == O_RDONLY) { wait_for_disk(); }
  return next(path, flags, mode);
}

ssize_t read(int descriptor, void* to, size_t bytes) {
  static ssize_t (*next)(int, void*, size_t) = NULL;
  if (next == NULL) { next = (ssize_t(*)(int, void*, size_t))dlsym(RTLD_NEXT, "read"); }
  if (is_file(descriptor)) { wait_for_disk(); }
  return next(descriptor, to, bytes);
}

static ssize_t read_at(const char* name, int descriptor, void* to, size_t bytes, off64_t from) {
  ssize_t (*const next)(int, void*, size_t, off64_t) = (ssize_t(*)(int, void*, size_t, off64_t))dlsym(RTLD_NEXT, name);
  if (is_file(descriptor)) { wait_for_disk(); }
  return next(descriptor, to, bytes, from);
}

ssize_t pread(int descriptor, void* to, size_t bytes, off_t from) {
  return read_at("pread", descriptor, to, bytes, from);
}

ssize_t pread64(int descriptor, void* to, size_t bytes, off64_t from) {
  return read_at("pread64", descriptor, to, bytes, from);
}

static void* mapped(const char* name, void* at, size_t bytes, int may, int flags, int descriptor, off64_t from) {
  void* (*const next)(void*, size_t, int, int, int, off64_t) =
      (void* (*)(void*, size_t, int, int, int, off64_t))dlsym(RTLD_NEXT, name);
  if (is_file(descriptor)) { wait_for_disk(); }
  return next(at, bytes, may, flags, descriptor, from);
}

void* mmap(void* at, size_t bytes, int may, int flags, int descriptor, off_t from) {
  return mapped("mmap", at, bytes, may, flags, descriptor, from);
}

void* mmap64(void* at, size_t bytes, int may, int flags, int descriptor, off64_t from) {
  return mapped("mmap64", at, bytes, may, flags, descriptor, from);
}

static mode_t mode_of(int flags, va_list arguments) { return (flags & O_CREAT) != 0 ? va_arg(arguments, mode_t) : 0; }

int open(const char* path, int flags, ...) {
  va_list arguments;
  va_start(arguments, flags);
  const mode_t mode = mode_of(flags, arguments);
  va_end(arguments);
  return opened("open", path, flags, mode);
}

int open64(const char* path, int flags, ...) {
  va_list arguments;
  va_start(arguments, flags);
  const mode_t mode = mode_of(flags, arguments);
  va_end(arguments);
  return opened("open64", path, flags, mode);
}
