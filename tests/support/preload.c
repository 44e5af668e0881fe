// For script tests: what a machine does now and then. Built by cc -shared and put before a program by LD_PRELOAD.
//   VOXGRAD_TEST_CLOCK=back    the wall clock is set back by an hour each time it is read
//   VOXGRAD_TEST_DELAY_US=N    every file that is opened for reading makes its reader wait so long, as a slow network
//                              disk does
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
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

static int opened(const char* name, const char* path, int flags, mode_t mode) {
  int (*const next)(const char*, int, ...) = (int (*)(const char*, int, ...))dlsym(RTLD_NEXT, name);
  const char* const wait = getenv("VOXGRAD_TEST_DELAY_US");
  if (wait != NULL && (flags & O_ACCMODE) == O_RDONLY) { usleep((useconds_t)atol(wait)); }
  return next(path, flags, mode);
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
