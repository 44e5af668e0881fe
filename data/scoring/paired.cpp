#include "data/scoring/paired.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

#include "kernels/base/check.h"
#include "kernels/base/philox.h"

namespace vox {
namespace {

constexpr std::int64_t kResamples = 10'000;
constexpr std::size_t kMostExact = 200;
constexpr double kLargest = 1e300;
constexpr RandomKey kBootstrap{.seed = 1234, .step = 0, .place = 0xB0075742U};

/// Of the amounts; not finite where one is not.
double largest(std::span<const double> values) {
  return std::accumulate(values.begin(), values.end(), 0.0, [](double most, double v) {
    return std::isnan(v) ? std::numeric_limits<double>::infinity() : std::max(most, std::abs(v));
  });
}

double mean_of(std::span<const double> values) {
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

/// Of sorted values, between two of them where it falls there.
double quantile(const std::vector<double>& sorted, double q) {
  const double place = q * static_cast<double>(sorted.size() - 1);
  const auto low = static_cast<std::size_t>(place);
  const std::size_t high = std::min(low + 1, sorted.size() - 1);
  return sorted[low] + (place - static_cast<double>(low)) * (sorted[high] - sorted[low]);
}

std::vector<double> resampled_means(std::span<const double> values) {
  const std::uint64_t n = values.size();
  std::vector<double> means;
  std::uint64_t drawn = 0;
  Philox4 numbers{};
  for (std::int64_t r = 0; r < kResamples; ++r) {
    double sum = 0;
    for (std::uint64_t i = 0; i < n; ++i, ++drawn) {
      if (drawn % 4 == 0) { numbers = random4(kBootstrap, drawn / 4); }
      sum += values[(n * numbers.v[drawn % 4]) >> 32U];
    }
    means.push_back(sum / static_cast<double>(n));
  }
  std::ranges::sort(means);
  return means;
}

/// Twice the rank of each: whole numbers, whatever is tied. sorted: absolute values.
std::vector<std::size_t> doubled_ranks(const std::vector<double>& sorted) {
  std::vector<std::size_t> ranks(sorted.size());
  for (std::size_t first = 0; first < sorted.size();) {
    std::size_t end = first;
    while (end < sorted.size() && sorted[end] == sorted[first]) { ++end; }
    std::fill(ranks.begin() + static_cast<std::ptrdiff_t>(first), ranks.begin() + static_cast<std::ptrdiff_t>(end),
              first + 1 + end);
    first = end;
  }
  return ranks;
}

/// How probable a sum of at most `sum` is, of ranks that each count with a probability of one half.
double at_most(const std::vector<std::size_t>& ranks, std::size_t sum) {
  std::vector<double> probability(std::accumulate(ranks.begin(), ranks.end(), std::size_t{1}));
  probability[0] = 1;
  std::size_t most = 0;
  for (const std::size_t rank : ranks) {
    most += rank;
    for (std::size_t s = most + 1; s > 0;) {
      --s;
      probability[s] = (probability[s] + (s >= rank ? probability[s - rank] : 0)) / 2;
    }
  }
  return std::accumulate(probability.begin(), probability.begin() + static_cast<std::ptrdiff_t>(sum) + 1, 0.0);
}

double normal_p(const std::vector<std::size_t>& ranks, std::size_t smaller) {
  double sum = 0;
  double squares = 0;
  for (const std::size_t doubled : ranks) {
    const double rank = static_cast<double>(doubled) / 2;
    sum += rank;
    squares += rank * rank;
  }
  const double z = (static_cast<double>(smaller) / 2 - sum / 2) / std::sqrt(squares / 4);
  return std::erfc(std::abs(z) / std::sqrt(2.0));
}

}  // namespace

double wilcoxon_signed_rank(std::span<const double> differences) {
  std::vector<double> some;
  std::ranges::copy_if(differences, std::back_inserter(some), [](double d) { return d != 0; });
  if (some.empty()) { return 1; }
  std::ranges::sort(some, {}, [](double d) { return std::abs(d); });
  std::vector<double> sizes;
  std::ranges::transform(some, std::back_inserter(sizes), [](double d) { return std::abs(d); });
  const std::vector<std::size_t> ranks = doubled_ranks(sizes);
  std::size_t positive = 0;
  std::size_t all = 0;
  for (std::size_t i = 0; i < some.size(); ++i) {
    all += ranks[i];
    if (some[i] > 0) { positive += ranks[i]; }
  }
  const std::size_t smaller = std::min(positive, all - positive);  // the distribution is symmetric
  if (some.size() > kMostExact) { return normal_p(ranks, smaller); }
  return std::min(1.0, 2 * at_most(ranks, smaller));
}

PairedDifference compare_paired(std::span<const double> a, std::span<const double> b) {
  VOX_CHECK(a.size() == b.size() && !a.empty(), "paired: {} and {} cases, wants as many of both, and one at least",
            a.size(), b.size());
  for (const double score : {largest(a), largest(b)}) {
    VOX_CHECK(score <= kLargest, "paired: a score of {}, wants at most {}: sums have to be finite", score, kLargest);
  }
  std::vector<double> differences(a.size());
  std::ranges::transform(b, a, differences.begin(), std::minus<>());
  const std::vector<double> means = resampled_means(differences);
  return {.mean_a = mean_of(a),
          .mean_b = mean_of(b),
          .difference = mean_of(differences),
          .low = quantile(means, 0.025),
          .high = quantile(means, 0.975),
          .p_value = wilcoxon_signed_rank(differences)};
}

}  // namespace vox
