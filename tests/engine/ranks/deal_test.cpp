#include "engine/ranks/deal.h"

#include <chrono>
#include <cmath>
#include <limits>
#include <string>
#include <thread>
#include <vector>

#include "kernels/base/check.h"
#include "tests/support/catch.h"
#include "tests/support/thread_ranks.h"

using namespace vox;
using namespace vox::test;

namespace {

struct Result {
  std::string text;
  std::vector<std::vector<double>> table;
  std::int32_t number = 0;
};

Result expected(std::size_t i) {
  Result r{.text = std::string(i % 4 * 1000, static_cast<char>('a' + i)), .table = {}, .number = -static_cast<int>(i)};
  for (std::size_t k = 0; k < i % 3; ++k) { r.table.push_back({0.1 * static_cast<double>(i), -0.0}); }
  if (i % 2 == 1) { r.table.push_back({std::numeric_limits<double>::quiet_NaN()}); }
  return r;
}

std::string bytes_of(const Result& r) {
  MessageWriter all;
  fields(all, r.text, r.table, r.number);
  return all.bytes();
}

/// Until it is so, but no longer than ten seconds.
template <class Condition> bool comes(const Condition& condition) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  while (!condition() && std::chrono::steady_clock::now() < end) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return condition();
}

}  // namespace

TEST_CASE("cases are done once and their results are on every rank, in their order", "[threads]") {
  for (const int n : {1, 2, 3, 5}) {
    for (const std::size_t cases : {0U, 1U, 4U, 7U}) {
      run_ranks(n, [&](Communicator& ranks) {
        Deal deal(ranks, cases);
        std::vector<Result> results(cases);
        for (const std::size_t i : deal.mine()) {
          VOX_CHECK(i % static_cast<std::size_t>(n) == static_cast<std::size_t>(ranks.rank()), "case {}", i);
          results[i] = expected(i);
        }
        deal.gather_results(results, [](auto& m, auto& r) { fields(m, r.text, r.table, r.number); });
        for (std::size_t i = 0; i < cases; ++i) {
          VOX_CHECK(bytes_of(results[i]) == bytes_of(expected(i)), "rank {}: case {} of {}", ranks.rank(), i, cases);
        }
        VOX_CHECK(!deal.stopped(), "nobody has asked to stop");
      });
    }
  }
}

TEST_CASE("what one rank asks for is heard by ranks that work", "[threads]") {
  run_ranks(3, [](Communicator& ranks) {
    Deal deal(ranks, 3);
    if (ranks.rank() == 1) { deal.stop(); }
    VOX_CHECK(comes([&] { return deal.stopped(); }), "rank {} has not heard of it", ranks.rank());
    deal.finish();
    VOX_CHECK(deal.stopped(), "rank {} has forgotten it", ranks.rank());
  });
}

TEST_CASE("a rank that fails ends the work of the others", "[threads]") {
  CHECK_THROWS_WITH(run_ranks(3,
                              [](Communicator& ranks) {
                                Deal deal(ranks, 3);
                                if (ranks.rank() == 2) { VOX_FAIL("the disk of rank 2 is full"); }
                                VOX_CHECK(comes([&] { return deal.stopped(); }), "rank {} has not heard of it",
                                          ranks.rank());
                                std::vector<Result> results(3);
                                deal.gather_results(results, [](auto& m, auto& r) { fields(m, r.text); });
                              }),
                    ContainsSubstring("the disk of rank 2 is full"));
}

TEST_CASE("ranks that found other cases are named", "[threads]") {
  run_ranks(3, [](Communicator& ranks) { check_same_on_ranks(ranks, "a\nb\n", "cases"); });
  CHECK_THROWS_WITH(
      run_ranks(3, [](Communicator& ranks) { check_same_on_ranks(ranks, ranks.rank() == 0 ? "a" : "b", "in: cases"); }),
      ContainsSubstring("in: cases: other ones on ranks 1, 2 than on rank 0"));
}

TEST_CASE("a message that ends early is refused") {
  MessageWriter written;
  written(std::string("text"));
  std::string cut = written.bytes();
  cut.pop_back();
  MessageReader read(cut);
  std::string text;
  CHECK_THROWS_WITH(read(text), ContainsSubstring("ends 1 bytes early"));
}
