#include <array>
#include <atomic>
#include <cstddef>
#include <stdexcept>
#include <thread>
#include <vector>

#include "engine/ranks/communicator.h"
#include "engine/ranks/other_rank_failed.h"
#include "kernels/base/check.h"
#include "tests/engine/ranks/contract.h"
#include "tests/support/catch.h"
#include "tests/support/thread_ranks.h"

namespace vox {
namespace {

TEST_CASE("one rank alone keeps the contract of a communicator") {
  const auto ranks = alone();
  REQUIRE_NOTHROW(test::check_contract(*ranks, true));
  std::array<std::byte, 3> small{};
  std::array<std::byte, 4> other{};
  const std::array<std::size_t, 1> sizes{3};
  CHECK_THROWS_AS(ranks->all_gather(small, sizes, other), Error);
}

TEST_CASE("ranks that are threads keep the contract of a communicator", "[threads]") {
  for (const int n : {1, 2, 3, 5}) {
    CAPTURE(n);
    REQUIRE_NOTHROW(test::run_ranks(n, [](Communicator& ranks) { test::check_contract(ranks, false); }));
  }
}

TEST_CASE("a rank's exception reaches the others where they wait, and the caller", "[threads]") {
  std::atomic<int> heard{0};
  const auto wait = [&](Communicator& ranks) {
    try {
      ranks.barrier();
    } catch (const OtherRankFailed&) {
      ++heard;
      throw;
    }
  };
  const auto body = [&](Communicator& ranks) {
    const auto other = ranks.duplicate();
    if (ranks.rank() == 1) { throw std::invalid_argument("no such case"); }
    std::thread second([&] { CHECK_THROWS_AS(other->barrier(), OtherRankFailed); });
    const std::jthread join([&] { second.join(); });
    wait(ranks);
  };
  CHECK_THROWS_AS(test::run_ranks(2, body), std::invalid_argument);
  CHECK(heard == 1);
}

TEST_CASE("threads that are ranks refuse calls that do not fit each other", "[threads]") {
  const auto different = [](Communicator& ranks) {
    std::array<float, 2> values{};
    if (ranks.rank() == 0) {
      ranks.barrier();
    } else {
      ranks.all_reduce_fast(values);
    }
  };
  CHECK_THROWS_AS(test::run_ranks(2, different), Error);
  const auto sizes_differ = [](Communicator& ranks) {
    std::vector<std::size_t> sizes{2, ranks.rank() == 0 ? std::size_t{2} : std::size_t{3}};
    std::vector<std::byte> all(2 + sizes[1]);
    const std::vector<std::byte> mine(sizes[static_cast<std::size_t>(ranks.rank())]);
    ranks.all_gather(mine, sizes, all);
  };
  CHECK_THROWS_AS(test::run_ranks(2, sizes_differ), Error);
  const auto gone = [](Communicator& ranks) {
    if (ranks.rank() == 0) { ranks.barrier(); }
  };
  CHECK_THROWS_AS(test::run_ranks(3, gone), Error);
}

}  // namespace
}  // namespace vox
