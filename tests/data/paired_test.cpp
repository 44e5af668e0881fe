// Is a difference between two methods on the same cases more than chance?
#include "data/scoring/paired.h"

#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include "kernels/base/check.h"
#include "tests/support/catch.h"

namespace vox::test {
namespace {

/// p by trying every sign: ranks of |d|, ties sharing their mean; at most the smaller of both sums, twice.
double every_sign(const std::vector<double>& differences) {
  std::vector<double> sizes;
  std::vector<bool> positive;
  for (const double d : differences) {
    if (d == 0) { continue; }
    sizes.push_back(std::abs(d));
    positive.push_back(d > 0);
  }
  std::vector<double> ranks;
  double all = 0;
  double sum = 0;
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    double rank = 0.5;
    for (const double other : sizes) { rank += other < sizes[i] ? 1 : other == sizes[i] ? 0.5 : 0; }
    ranks.push_back(rank);
    all += rank;
    sum += positive[i] ? rank : 0;
  }
  const double smaller = std::min(sum, all - sum);
  std::int64_t as_small = 0;
  for (std::uint32_t signs = 0; signs < 1U << ranks.size(); ++signs) {
    double s = 0;
    for (std::size_t i = 0; i < ranks.size(); ++i) { s += (signs >> i & 1U) != 0 ? ranks[i] : 0; }
    as_small += s <= smaller ? 1 : 0;
  }
  return std::min(1.0, 2 * static_cast<double>(as_small) / std::pow(2.0, static_cast<double>(ranks.size())));
}

std::vector<double> some_differences(int n, int modulus, double centre) {
  std::vector<double> d;
  for (int i = 0; i < n; ++i) { d.push_back(i * 37 % modulus - centre); }
  return d;
}

TEST_CASE("the signed-rank test is that of every sign tried, ties and zeros among them", "[paired]") {
  CHECK(wilcoxon_signed_rank({}) == 1);
  CHECK(wilcoxon_signed_rank(std::vector<double>{0, 0}) == 1);
  CHECK(wilcoxon_signed_rank(std::vector<double>{3}) == 1);
  CHECK(wilcoxon_signed_rank(std::vector<double>{1, 2, 3, 4, 5}) == 2.0 / 32);
  for (const int n : {2, 5, 9, 14}) {
    for (const int modulus : {3, 5, 11, 101}) {
      for (const double centre : {0.0, 1.0, 1.25, 7.0}) {
        const auto d = some_differences(n, modulus, centre);
        CAPTURE(n, modulus, centre);
        CHECK(wilcoxon_signed_rank(d) == Approx(every_sign(d)).epsilon(1e-14));
      }
    }
  }
}

TEST_CASE("the signed-rank test is SciPy's", "[paired]") {  // scipy.stats.wilcoxon of SciPy 1.17.1
  CHECK(wilcoxon_signed_rank(some_differences(30, 101, 40.25)) == Approx(0.19807579927146435).epsilon(1e-12));
  CHECK(wilcoxon_signed_rank(some_differences(205, 211, 95.25)) == Approx(0.0350466409139101).epsilon(1e-12));
  CHECK(wilcoxon_signed_rank(some_differences(260, 23, 9)) == Approx(1.0619596493984314e-05).epsilon(1e-12));
}

TEST_CASE("means, their difference, and an interval as wide as theory says", "[paired]") {
  std::vector<double> a;
  std::vector<double> b;
  for (int i = 0; i < 60; ++i) {
    a.push_back(0.5 + 0.001 * i);
    b.push_back(a.back() + 0.1 + 0.01 * (i * 37 % 61));
  }
  const PairedDifference p = compare_paired(a, b);
  double mean = 0;
  double squares = 0;
  for (std::size_t i = 0; i < a.size(); ++i) { mean += (b[i] - a[i]) / 60; }
  for (std::size_t i = 0; i < a.size(); ++i) { squares += (b[i] - a[i] - mean) * (b[i] - a[i] - mean) / 60; }
  const double half = 1.959964 * std::sqrt(squares / 60);
  CHECK(p.mean_a == Approx(0.5295));
  CHECK(p.difference == Approx(mean));
  CHECK(p.mean_b == Approx(p.mean_a + mean));
  // Of 10000 means the 2.5 % quantile is known within sqrt(0.025 * 0.975 / 10000) / 0.0584 = 0.027 deviations; 5 of
  // that.
  CHECK(std::abs(p.low - (mean - half)) < 5 * 0.027 * half / 1.96);
  CHECK(std::abs(p.high - (mean + half)) < 5 * 0.027 * half / 1.96);
  CHECK(p.p_value < 1e-9);
  const PairedDifference turned = compare_paired(b, a);
  CHECK(turned.difference == -p.difference);
  CHECK(turned.low == Approx(-p.high).epsilon(1e-12));
  CHECK(turned.p_value == p.p_value);
}

TEST_CASE("one case has an interval of no width, and unequal sets are refused", "[paired]") {
  const PairedDifference p = compare_paired(std::vector<double>{0.25}, std::vector<double>{0.75});
  CHECK((p.low == 0.5 && p.high == 0.5 && p.p_value == 1));
  CHECK_THROWS_WITH(compare_paired(std::vector<double>{1}, std::vector<double>{1, 2}),
                    ContainsSubstring("1 and 2 cases"));
  CHECK_THROWS_AS(compare_paired({}, {}), Error);
}

TEST_CASE("scores whose sums are not finite are refused: what is no number has no rank", "[paired]") {
  const std::vector<double> fine{0.5, -1e300};
  CHECK(compare_paired(fine, fine).p_value == 1);
  constexpr double kInfinite = std::numeric_limits<double>::infinity();
  for (const double bad : {1.7e308, -1.1e300, kInfinite, -kInfinite, std::numeric_limits<double>::quiet_NaN()}) {
    INFO(bad);
    const std::vector<double> scores{0.5, bad};
    CHECK_THROWS_WITH(compare_paired(scores, fine), ContainsSubstring("sums have to be finite"));
    CHECK_THROWS_WITH(compare_paired(fine, scores), ContainsSubstring("sums have to be finite"));
  }
}

}  // namespace
}  // namespace vox::test
