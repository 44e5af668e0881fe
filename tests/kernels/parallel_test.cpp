#include "kernels/base/parallel.h"

#include <atomic>
#include <chrono>
#include <stdexcept>
#include <thread>
#include <vector>

#include "kernels/base/denormals.h"
#include "tests/support/catch.h"

namespace vox::test {

TEST_CASE("every index is done once, for any number of threads", "[parallel][threads]") {
  for (const int threads : {1, 2, 3, 7}) {
    for (const std::int64_t n : {0, 1, 2, 5, 64, 1001}) {
      std::vector<std::atomic<int>> done(static_cast<std::size_t>(n));
      parallel_for(threads, n, [&](std::int64_t i) { ++done[static_cast<std::size_t>(i)]; });
      INFO(threads << " threads, " << n << " indices");
      CHECK(std::all_of(done.begin(), done.end(), [](const auto& count) { return count == 1; }));
    }
  }
}

TEST_CASE("a worker that is held up leaves its share to the others", "[parallel][threads]") {
  constexpr std::int64_t kCount = 103;
  std::atomic<std::int64_t> done = 0;
  std::atomic<bool> late = false;
  parallel_for(4, kCount, [&](std::int64_t i) {
    if (i == 0) {
      const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
      while (done != kCount - 1 && !late) {
        late = std::chrono::steady_clock::now() > end;
        std::this_thread::yield();
      }
    }
    ++done;
  });
  CHECK_FALSE(late);
  CHECK(done == kCount);
}

TEST_CASE("tasks that run at the same time have different workers, each below the number of threads",
          "[parallel][threads]") {
  for (const int threads : {1, 2, 5}) {
    for (const std::int64_t n : {1, 3, 400}) {
      std::vector<std::atomic<int>> busy(static_cast<std::size_t>(threads));
      std::vector<std::atomic<int>> done(static_cast<std::size_t>(n));
      std::atomic<bool> shared = false;
      parallel_tasks(threads, n, [&](int worker, std::int64_t i) {
        std::atomic<int>& mine = busy.at(static_cast<std::size_t>(worker));
        if (++mine > 1) { shared = true; }
        std::this_thread::yield();
        --mine;
        ++done[static_cast<std::size_t>(i)];
      });
      INFO(threads << " threads, " << n << " tasks");
      CHECK_FALSE(shared);
      CHECK(std::all_of(done.begin(), done.end(), [](const auto& count) { return count == 1; }));
    }
  }
}

TEST_CASE("loops work again after the workers have gone to sleep", "[parallel][threads]") {
  for (int repeat = 0; repeat < 5; ++repeat) {
    std::this_thread::sleep_for(std::chrono::milliseconds(2));  // longer than a worker looks for work
    std::atomic<std::int64_t> total = 0;
    parallel_for(3, 30, [&](std::int64_t i) { total += i; });
    CHECK(total == 435);
  }
}

TEST_CASE("an exception in a worker is thrown by the caller, once all workers are done", "[parallel][threads]") {
  for (const std::int64_t bad : {0, 99}) {  // in the caller's share, and in another's
    std::atomic<int> done = 0;
    const auto work = [&](std::int64_t i) {
      if (i == bad) { throw std::runtime_error("index " + std::to_string(i)); }
      ++done;
    };
    CHECK_THROWS_WITH(parallel_for(4, 100, work), "index " + std::to_string(bad));
    CHECK(done >= 75);  // the other three had their shares done
  }
  std::atomic<int> after = 0;
  parallel_for(4, 100, [&](std::int64_t) { ++after; });
  CHECK(after == 100);
}

TEST_CASE("a parallel loop inside a worker runs, on that worker alone", "[parallel][threads]") {
  std::atomic<int> done = 0;
  std::atomic<bool> strayed = false;
  parallel_for(3, 6, [&](std::int64_t) {
    const auto self = std::this_thread::get_id();
    parallel_for(3, 10, [&](std::int64_t) {
      ++done;
      if (std::this_thread::get_id() != self) { strayed = true; }
    });
  });
  CHECK(done == 60);
  CHECK_FALSE(strayed);
}

TEST_CASE("an exception inside a nested loop reaches the outermost caller", "[parallel][threads]") {
  const auto nested = [](std::int64_t) {
    parallel_for(2, 4, [](std::int64_t i) {
      if (i == 3) { throw std::runtime_error("inner"); }
    });
  };
  CHECK_THROWS_WITH(parallel_for(2, 2, nested), "inner");
}

TEST_CASE("two threads may run loops at the same time", "[parallel][threads]") {
  std::atomic<std::int64_t> total = 0;
  {
    std::vector<std::jthread> users;
    for (int u = 0; u < 2; ++u) {
      users.emplace_back([&] {
        for (int repeat = 0; repeat < 200; ++repeat) {
          parallel_for(3, 50, [&](std::int64_t i) { total += i; });
        }
      });
    }
  }
  CHECK(total == 2 * 200 * 1225);
}

TEST_CASE("whoever does a task computes in the floating-point mode of who asked for it", "[parallel][threads]") {
  const auto strangers = [] {  // tasks of a loop, and of one inside, that ran in another mode
    const FloatMode mine = float_mode();
    std::atomic<int> count = 0;
    parallel_for(4, 64, [&](std::int64_t) {
      count += float_mode() == mine ? 0 : 1;
      parallel_for(4, 4, [&](std::int64_t) { count += float_mode() == mine ? 0 : 1; });
      std::this_thread::yield();
    });
    return count.load();
  };
  for (int repeat = 0; repeat < 20; ++repeat) {  // workers remember the mode of the loop before
    CHECK(strangers() == 0);
    const FlushDenormals flush;
    CHECK(strangers() == 0);
  }
  std::atomic<bool> taken = false;
  std::atomic<bool> done = false;
  const std::jthread holder([&] {
    const FlushDenormals flush;
    parallel_for(2, 2, [&](std::int64_t) {
      taken = true;
      while (!done) { std::this_thread::yield(); }
    });
  });
  while (!taken) { std::this_thread::yield(); }
  CHECK(strangers() == 0);  // alone: another holds the pool, in another mode
  done = true;
}

TEST_CASE("a queue says how many threads a loop may use", "[parallel][threads]") {
  struct Queue {
    int threads;
  };
  std::atomic<bool> strayed = false;
  const auto self = std::this_thread::get_id();
  parallel_for(Queue{1}, 100, [&](std::int64_t) { strayed = strayed || std::this_thread::get_id() != self; });
  CHECK_FALSE(strayed);
}

}  // namespace vox::test
