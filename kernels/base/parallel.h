#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <vector>

namespace vox {

/// Runs task(context, w) for w in [0,workers) on a pool of threads that lives as long as the program, w = 0 on the
/// caller. All compute in the caller's floating-point mode (kernels/base/denormals.h). Returns when all are done; the
/// first exception of any worker is thrown here. A call from inside a worker, or while another thread holds the pool,
/// runs the workers one after the other: slower, same result.
void run_workers(int workers, void (*task)(void* context, int worker), void* context);

/// Workers that wait look for work for a while before they sleep; while one of these lives they sleep at once. For
/// measuring processor time: Linux counts that of a thread that runs only now and then.
class SleepyWorkers {
 public:
  SleepyWorkers();
  ~SleepyWorkers();
  SleepyWorkers(const SleepyWorkers&) = delete;
  SleepyWorkers& operator=(const SleepyWorkers&) = delete;
  SleepyWorkers(SleepyWorkers&&) = delete;
  SleepyWorkers& operator=(SleepyWorkers&&) = delete;
};

/// Who does which of n tasks: each worker its own run of neighbours, front to back, and when that is done what others
/// have left. Every task is given out once.
class TaskShares {
 public:
  // Inlined: out of line it would be a weak symbol of whichever instruction set the linker takes.
  [[gnu::always_inline]] TaskShares(int workers, std::int64_t n) : shares_(static_cast<std::size_t>(workers)) {
    for (int w = 0; w < workers; ++w) {
      Share& mine = shares_[static_cast<std::size_t>(w)];
      mine.next = n * w / workers;
      mine.end = n * (w + 1) / workers;
    }
  }

  /// Runs work(i) on every task that is left when this worker comes to it.
  template <class Work> void serve(int worker, const Work& work) {
    const std::size_t first = static_cast<std::size_t>(worker);
    for (std::size_t k = 0; k < shares_.size(); ++k) {
      Share& of = shares_[(first + k) % shares_.size()];
      for (;;) {
        const std::int64_t i = of.next.fetch_add(1, std::memory_order_relaxed);
        if (i >= of.end) { break; }
        work(i);
      }
    }
  }

 private:
  struct alignas(64) Share {  // no two in one cache line
    std::atomic<std::int64_t> next = 0;
    std::int64_t end = 0;
  };
  std::vector<Share> shares_;
};

/// Runs body(worker, i) for i in [0,n), each once. No two calls at a time have the same worker, of [0,min(threads,n)):
/// it may have memory of its own. Which worker does which i is not fixed: nothing may depend on it but that memory.
template <class Body> void parallel_tasks(int threads, std::int64_t n, const Body& body) {
  const auto workers = static_cast<int>(std::clamp<std::int64_t>(n, 1, std::max(threads, 1)));
  if (workers == 1) {
    for (std::int64_t i = 0; i < n; ++i) { body(0, i); }
    return;
  }
  struct Job {
    const Body& body;
    TaskShares shares;
  } job{body, TaskShares(workers, n)};
  run_workers(
      workers,
      [](void* context, int w) {
        Job& j = *static_cast<Job*>(context);
        j.shares.serve(w, [&](std::int64_t i) { j.body(w, i); });
      },
      &job);
}

/// Runs body(i) for i in [0,n), each once, by one thread: a body that owns row i is race-free and gives the same bits
/// for any number of threads.
template <class Body> void parallel_for(int threads, std::int64_t n, const Body& body) {
  parallel_tasks(threads, n, [&](int, std::int64_t i) { body(i); });
}

/// The same on a queue: anything with a member `threads`.
template <class Queue, class Body>
requires requires(const Queue& q) { q.threads; }
void parallel_for(const Queue& q, std::int64_t n, const Body& body) { parallel_for(q.threads, n, body); }
template <class Queue, class Body>
requires requires(const Queue& q) { q.threads; }
void parallel_tasks(const Queue& q, std::int64_t n, const Body& body) { parallel_tasks(q.threads, n, body); }

}  // namespace vox
