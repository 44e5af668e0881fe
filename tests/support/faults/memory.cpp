// Allocations from a size on, and threads.
#include <pthread.h>

#include <cstdlib>

#include "tests/support/faults/faults.h"

using vox::faults::Call;
using vox::faults::counted_bytes;
using vox::faults::counts;
using vox::faults::Kind;

extern "C" {

// The C library's own names for them: a lookup would allocate.
void* __libc_malloc(std::size_t);
void* __libc_calloc(std::size_t, std::size_t);
void* __libc_realloc(void*, std::size_t);
void* __libc_memalign(std::size_t, std::size_t);

void* malloc(std::size_t bytes) {
  if (!counts(Kind::memory) || bytes < counted_bytes()) { return __libc_malloc(bytes); }
  Call call(Kind::memory, "malloc", {});
  if (call.fails()) { return nullptr; }
  call.returns(bytes);
  return __libc_malloc(bytes);
}

void* calloc(std::size_t count, std::size_t bytes) {
  if (!counts(Kind::memory) || count * bytes < counted_bytes()) { return __libc_calloc(count, bytes); }
  Call call(Kind::memory, "calloc", {});
  if (call.fails()) { return nullptr; }
  call.returns(count * bytes);
  return __libc_calloc(count, bytes);
}

void* realloc(void* p, std::size_t bytes) {
  if (!counts(Kind::memory) || bytes < counted_bytes()) { return __libc_realloc(p, bytes); }
  Call call(Kind::memory, "realloc", {});
  if (call.fails()) { return nullptr; }
  call.returns(bytes);
  return __libc_realloc(p, bytes);
}

void* memalign(std::size_t alignment, std::size_t bytes) {
  if (!counts(Kind::memory) || bytes < counted_bytes()) { return __libc_memalign(alignment, bytes); }
  Call call(Kind::memory, "memalign", {});
  if (call.fails()) { return nullptr; }
  call.returns(bytes);
  return __libc_memalign(alignment, bytes);
}

void* aligned_alloc(std::size_t alignment, std::size_t bytes) { return memalign(alignment, bytes); }

int posix_memalign(void** to, std::size_t alignment, std::size_t bytes) {
  void* const p = memalign(alignment, bytes);
  if (p == nullptr) { return ENOMEM; }
  *to = p;
  return 0;
}

int pthread_create(pthread_t* thread, const pthread_attr_t* attributes, void* (*start)(void*), void* argument) {
  VOX_REAL(pthread_create);
  if (!counts(Kind::thread)) { return real(thread, attributes, start, argument); }
  Call call(Kind::thread, "pthread_create", {});
  if (call.fails()) { return call.number(); }
  return call.returns(real(thread, attributes, start, argument));
}
}
