#include "kernels/base/parallel.h"

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "kernels/base/worker_pool.h"

namespace vox {
namespace {

thread_local bool inside_worker = false;

/// How long a thread looks for what it waits for before it sleeps: loops follow each other within microseconds, and
/// waking a thread takes tens of them.
constexpr auto kPatience = std::chrono::microseconds(100);

std::atomic<int> sleepy = 0;

/// A processor per worker? Otherwise the one that looks would stand in the way of the one it waits for.
bool may_spin(int workers) {
  static const auto processors = static_cast<int>(std::thread::hardware_concurrency());
  return workers <= processors && sleepy == 0;
}

void relax() {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#endif
}

/// Returns when it is ready, or patience has run out.
template <class Ready> void spin(const Ready& ready) {
  constexpr int kLooks = 32;  // between two looks at the clock
  const auto end = std::chrono::steady_clock::now() + kPatience;
  while (!ready() && std::chrono::steady_clock::now() < end) {
    for (int i = 0; i < kLooks && !ready(); ++i) { relax(); }
  }
}

/// The standard library's threads.
struct Threads {
  using Mutex = std::mutex;
  using Lock = std::unique_lock<std::mutex>;
  using Condition = std::condition_variable;
  template <class T> using Atomic = std::atomic<T>;
  using Thread = std::jthread;
  template <class Ready> static void spin(int workers, const Ready& ready) {
    if (may_spin(workers)) { vox::spin(ready); }
  }
  struct Inside {
    Inside() { inside_worker = true; }
    ~Inside() { inside_worker = false; }
    Inside(const Inside&) = delete;
    Inside& operator=(const Inside&) = delete;
    Inside(Inside&&) = delete;
    Inside& operator=(Inside&&) = delete;
  };
};

}  // namespace

SleepyWorkers::SleepyWorkers() { ++sleepy; }
SleepyWorkers::~SleepyWorkers() { --sleepy; }

void run_workers(int workers, void (*task)(void*, int), void* context) {
  static WorkerPool<Threads> pool;
  if (!inside_worker && pool.run(workers, task, context)) { return; }
  for (int w = 0; w < workers; ++w) { task(context, w); }
}

}  // namespace vox
