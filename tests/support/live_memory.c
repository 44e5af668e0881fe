// For script tests: how many bytes a program holds of what it asked malloc for, exactly, where resident memory has the
// allocator's own habits in it. Built by cc -shared and put before a program by LD_PRELOAD.
//   VOXGRAD_TEST_LIVE=FILE    the bytes stand in FILE, a 64-bit number, all the time; children do not count
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

// The C library's own names for them: a lookup would allocate.
void* __libc_malloc(size_t);
void* __libc_calloc(size_t, size_t);
void* __libc_realloc(void*, size_t);
void* __libc_memalign(size_t, size_t);
void __libc_free(void*);

static int64_t at_first = 0;
static int64_t* live = &at_first;

static void add(int64_t bytes) { __atomic_add_fetch(live, bytes, __ATOMIC_RELAXED); }

static int64_t bytes_of(void* p) { return (int64_t)malloc_usable_size(p); }

static void* counted(void* p) {
  add(bytes_of(p));
  return p;
}

__attribute__((constructor)) static void start(void) {
  const char* const file = getenv("VOXGRAD_TEST_LIVE");
  if (file == NULL) { return; }
  const int descriptor = open(file, O_RDWR | O_CREAT, 0600);
  if (descriptor < 0 || ftruncate(descriptor, sizeof(int64_t)) != 0) { abort(); }
  int64_t* const shared = mmap(NULL, sizeof(int64_t), PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
  if (shared == MAP_FAILED) { abort(); }
  close(descriptor);
  unsetenv("VOXGRAD_TEST_LIVE");
  *shared = at_first;  // no other thread yet
  live = shared;
}

void* malloc(size_t bytes) { return counted(__libc_malloc(bytes)); }

void* calloc(size_t count, size_t bytes) { return counted(__libc_calloc(count, bytes)); }

void free(void* p) {
  add(-bytes_of(p));
  __libc_free(p);
}

void* realloc(void* p, size_t bytes) {
  const int64_t before = bytes_of(p);
  void* const now = __libc_realloc(p, bytes);
  if (now != NULL || bytes == 0) { add(-before); }
  return counted(now);
}

void* memalign(size_t alignment, size_t bytes) { return counted(__libc_memalign(alignment, bytes)); }

void* aligned_alloc(size_t alignment, size_t bytes) { return memalign(alignment, bytes); }

int posix_memalign(void** to, size_t alignment, size_t bytes) {
  void* const p = memalign(alignment, bytes);
  if (p == NULL) { return ENOMEM; }
  *to = p;
  return 0;
}
