#pragma once

#include <algorithm>
#include <cstdint>

namespace vox {

/// Runs task(context, w) for w in [0,workers) on a pool of threads that lives as long as the program, w = 0 on the
/// caller. Returns when all are done; the first exception of any worker is thrown here. A call from inside a worker,
/// or while another thread holds the pool, runs the workers one after the other: slower, same result.
void run_workers(int workers, void (*task)(void* context, int worker), void* context);

/// Runs body(i) for i in [0,n), split statically: each i is done once, by one thread, so a body that owns row i is
/// race-free and gives the same bits for any number of threads.
template <class Body> void parallel_for(int threads, std::int64_t n, const Body& body) {
  const auto workers = static_cast<int>(std::clamp<std::int64_t>(n, 1, std::max(threads, 1)));
  if (workers == 1) {
    for (std::int64_t i = 0; i < n; ++i) { body(i); }
    return;
  }
  struct Job {
    const Body& body;
    std::int64_t n;
    int workers;
  } job{body, n, workers};
  run_workers(
      workers,
      [](void* context, int w) {
        const Job& j = *static_cast<const Job*>(context);
        for (std::int64_t i = j.n * w / j.workers; i < j.n * (w + 1) / j.workers; ++i) { j.body(i); }
      },
      &job);
}

/// The same on a queue: anything with a member `threads`.
template <class Queue, class Body>
requires requires(const Queue& q) { q.threads; }
void parallel_for(const Queue& q, std::int64_t n, const Body& body) { parallel_for(q.threads, n, body); }

}  // namespace vox
