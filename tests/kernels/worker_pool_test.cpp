// The pool of worker threads in every schedule with a few preemptions, on the model of tests/support/schedules.h.
#include "kernels/base/worker_pool.h"

#include <fmt/format.h>

#include <array>
#include <mutex>
#include <numeric>
#include <stdexcept>

#include "kernels/base/sanitizer.h"
#include "tests/support/catch.h"
#include "tests/support/schedules.h"

namespace vox::test {
namespace {

struct Modelled {
  using Mutex = model::Mutex;
  using Lock = std::unique_lock<model::Mutex>;
  using Condition = model::Condition;
  template <class T> using Atomic = model::Atomic<T>;
  using Thread = model::Thread;
  template <class Ready> static void spin(int /*workers*/, const Ready& ready) {
    static_cast<void>(ready());
  }  // a look
  struct Inside {
    Inside() {}  // NOLINT: not trivial, or it were unused
  };
};
using Pool = WorkerPool<Modelled>;

/// The sanitizers follow threads by their stacks.
bool no_fibers() {
#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
  constexpr bool kThreadSanitizer = true;
#else
  constexpr bool kThreadSanitizer = false;
#endif
#else
  constexpr bool kThreadSanitizer = false;
#endif
  if (kAddressSanitizer || kThreadSanitizer) { WARN("skipped: fibers switch stacks under a sanitizer"); }
  return kAddressSanitizer || kThreadSanitizer;
}

/// How often each worker was called.
struct Calls {
  std::array<int, 4> of{};
  int throws = -1;  ///< the worker that does
};

void call(void* context, int worker) {
  auto& calls = *static_cast<Calls*>(context);
  model::point();  // work, during which others go on
  ++calls.of[static_cast<std::size_t>(worker)];
  if (worker == calls.throws) { throw std::runtime_error("worker"); }
}

void check_calls(const Calls& calls, int workers) {
  for (int w = 0; w < std::ssize(calls.of); ++w) {
    const int times = calls.of[static_cast<std::size_t>(w)];
    if (times != (w < workers ? 1 : 0)) {
      model::fail(fmt::format("worker {} of {} was called {} times", w, workers, times));
    }
  }
}

/// A job that has the pool to itself.
void run_job(Pool& pool, int workers) {
  Calls calls;
  if (!pool.run(workers, call, &calls)) { model::fail("the pool is said to be in use"); }
  check_calls(calls, workers);
}

void explore_all(const char* what, int preemptions, const std::function<void()>& scenario) {
  const model::Explored e = model::explore(preemptions, scenario);
  INFO(what << ": " << e.schedules << " schedules, up to " << e.longest << " choices");
  CHECK(e.failure == "");
  CHECK(e.schedules > 100);
}

}  // namespace

TEST_CASE("every schedule of the worker pool does each job once and ends", "[parallel]") {
  if (no_fibers()) { return; }
  explore_all("jobs of more and fewer workers than there are threads", 2, [] {
    Pool pool;
    run_job(pool, 2);
    run_job(pool, 3);
    run_job(pool, 2);
  });
  explore_all("a pool that ends without work", 3, [] {
    Pool pool;
    run_job(pool, 2);
  });
}

TEST_CASE("every schedule of two users of the worker pool does both jobs", "[parallel]") {
  if (no_fibers()) { return; }
  explore_all("two users", 2, [] {
    Pool pool;
    const auto use = [&pool] {
      Calls calls;
      if (pool.run(2, call, &calls)) {
        check_calls(calls, 2);
      } else {
        check_calls(calls, 0);
      }
    };
    const model::Thread other(use);
    use();
  });
}

TEST_CASE("every schedule of a worker that throws brings the exception to the caller", "[parallel]") {
  if (no_fibers()) { return; }
  for (const int thrower : {0, 1}) {
    explore_all("an exception", 2, [thrower] {
      Pool pool;
      Calls calls{.throws = thrower};
      bool came = false;
      try {
        static_cast<void>(pool.run(2, call, &calls));
      } catch (const std::runtime_error&) { came = true; }
      if (!came) { model::fail("the exception is lost"); }
      check_calls(calls, 2);
      run_job(pool, 2);
    });
  }
}

TEST_CASE("the model finds a wake-up that is lost and a lock that is missing", "[parallel]") {
  if (no_fibers()) { return; }
  const model::Explored lost = model::explore(2, [] {
    model::Mutex mutex;
    model::Condition wake;
    model::Atomic<bool> set = false;
    const model::Thread waits([&] {
      if (set) { return; }  // looked at without the lock, and waited for without looking again
      std::unique_lock lock(mutex);
      bool first = true;
      wake.wait(lock, [&] { return !std::exchange(first, false); });
    });
    set = true;
    wake.notify_all();
  });
  CHECK(lost.failure == "no thread can go on");
  const model::Explored race = model::explore(2, [] {
    model::Atomic<int> n = 0;
    {
      const auto add = [&n] { n = n + 1; };
      const model::Thread a(add);
      const model::Thread b(add);
    }
    if (n != 2) { model::fail("an addition is lost"); }
  });
  CHECK(race.failure == "an addition is lost");
}

}  // namespace vox::test
