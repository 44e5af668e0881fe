// Sums over the cases of a batch, of tensors of any size, by their rows and case by case.
#include <algorithm>
#include <cmath>
#include <vector>

#include "engine/ops/case_sums.h"
#include "engine/ranks/rank_sums.h"
#include "tests/support/catch.h"
#include "tests/support/thread_ranks.h"

namespace vox::test {
namespace {

// Gradients of more than a MiB go alone, the others together: every neighbour that there is, and sizes that no number
// of ranks divides.
constexpr std::int64_t kLarge = (1 << 18) + 5;
constexpr std::int64_t kSizes[] = {7, 3, kLarge, kLarge + 1, 1, kLarge - 5, 130};

/// Values whose sum depends on its order in the last bits.
float value(std::size_t tensor, std::int64_t n, std::int64_t e) {
  const auto mixed = static_cast<std::uint32_t>((static_cast<std::int64_t>(tensor) * 31 + n) * 7919 + e) * 2654435761U;
  return static_cast<float>(mixed >> 8U) * 1e-3F;
}

Tensor begun(std::size_t tensor, std::int64_t first, std::int64_t cases, bool by_case) {
  const std::int64_t size = kSizes[tensor];
  CaseSums rows(Shape{size}, DType::f32, Device::cpu, cases, by_case);
  const auto write = [&](std::int64_t n, std::span<float> row) {
    for (std::int64_t e = 0; e < size; ++e) { row[static_cast<std::size_t>(e)] = value(tensor, first + n, e); }
  };
  if (rows.goes_by_case()) {
    rows.each_case<float>(write);
  } else {
    for (std::int64_t n = 0; n < cases; ++n) {
      write(n, rows.rows<float>().subspan(static_cast<std::size_t>(n * size), static_cast<std::size_t>(size)));
    }
  }
  return rows.sum();
}

using Sums = std::vector<std::vector<float>>;

Sums values_of(const std::vector<Tensor>& tensors) {
  Sums sums;
  for (const Tensor& t : tensors) {
    const auto v = t.values<float>();
    sums.emplace_back(v.begin(), v.end());
  }
  return sums;
}

Sums alone(std::int64_t whole, bool by_case) {
  std::vector<Tensor> sums;
  for (std::size_t t = 0; t < std::size(kSizes); ++t) { sums.push_back(begun(t, 0, whole, by_case)); }
  return values_of(sums);
}

std::vector<Sums> on_ranks(int n, std::int64_t whole, bool by_case, bool wait_each, Reduce reduce) {
  std::vector<Sums> all(static_cast<std::size_t>(n));
  run_ranks(n, [&](Communicator& ranks) {
    const auto meanwhile = ranks.duplicate();
    RankSums between(ranks, *meanwhile, reduce);
    between.wait_each(wait_each);
    const BatchShare share = share_of(whole, ranks.rank(), n);
    const ShareScope scope(share, between);
    std::vector<Tensor> sums;
    for (std::size_t t = 0; t < std::size(kSizes); ++t) {
      sums.push_back(begun(t, share.first_here(), share.here(), by_case));
    }
    between.finish();
    all[static_cast<std::size_t>(ranks.rank())] = values_of(sums);
  });
  return all;
}

}  // namespace

TEST_CASE("sums of any size are the same bits on any number of ranks", "[ranks][threads]") {
  const int n = GENERATE(2, 3, 5);
  const std::int64_t whole = GENERATE(1, 2, 5, 8);
  const bool by_case = GENERATE(false, true);
  const bool wait_each = n == 3;
  INFO(whole << " cases on " << n << " ranks" << (by_case ? ", case by case" : ""));
  const Sums wants = alone(whole, !by_case);
  for (const Sums& sums : on_ranks(n, whole, by_case, wait_each, Reduce::ordered)) { CHECK((sums == wants)); }
}

TEST_CASE("fast sums of any size are equal on every rank, and near those in order", "[ranks][threads]") {
  const std::int64_t whole = GENERATE(2, 5);
  const Sums wants = alone(whole, false);
  const std::vector<Sums> got = on_ranks(3, whole, true, false, Reduce::fast);
  CHECK((got[0] == got[1]));
  CHECK((got[0] == got[2]));
  double apart = 0;
  for (std::size_t t = 0; t < wants.size(); ++t) {
    for (std::size_t e = 0; e < wants[t].size(); ++e) {
      const auto want = static_cast<double>(wants[t][e]);
      apart = std::max(apart, std::abs(static_cast<double>(got[0][t][e]) - want) / (want + 1));
    }
  }
  CHECK(apart <=
        static_cast<double>(whole) * 0x1p-23);  // of positive numbers: half a last bit for each addition, both ways
}

}  // namespace vox::test
