#include "kernels/parallel.h"

#include <atomic>
#include <stdexcept>
#include <thread>
#include <vector>

#include "tests/catch.h"

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

TEST_CASE("the split is static: a worker has one run of neighbours, and about as many as any other",
          "[parallel][threads]") {
  constexpr int kThreads = 4;
  constexpr std::int64_t kCount = 103;
  for (int repeat = 0; repeat < 3; ++repeat) {
    std::vector<std::thread::id> owner(kCount);
    parallel_for(kThreads, kCount,
                 [&](std::int64_t i) { owner[static_cast<std::size_t>(i)] = std::this_thread::get_id(); });
    CHECK(owner[0] == std::this_thread::get_id());  // worker 0 is the caller
    std::vector<std::int64_t> runs{0};
    for (std::size_t i = 0; i < owner.size(); ++i) {
      if (i > 0 && owner[i] != owner[i - 1]) { runs.push_back(0); }
      ++runs.back();
    }
    CHECK(runs == std::vector<std::int64_t>{25, 26, 26, 26});
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
