#include "data/scoring/independent.h"

#include <cmath>
#include <utility>
#include <vector>

#include "kernels/base/check.h"
#include "tests/support/catch.h"

namespace vox::test {

TEST_CASE("quantiles of Student's distribution are SciPy's", "[scoring]") {
  // scipy.stats.t.ppf(0.975, n), SciPy 1.15
  for (const auto& [n, t] :
       {std::pair{1.0, 12.706204736174694}, std::pair{1.5, 6.016663104427929}, std::pair{2.0, 4.302652729749462},
        std::pair{2.5, 3.5746548420036817}, std::pair{3.7, 2.8675207071911895}, std::pair{5.0, 2.5705818356363146},
        std::pair{10.0, 2.228138851986274}, std::pair{30.25, 2.041564922767825},
        std::pair{1000.0, 1.9623390808264083}}) {
    INFO(n);
    CHECK(std::abs(student_t975(n) - t) < 1e-9 * t);
  }
  CHECK_THROWS_AS(student_t975(0.5), Error);
  CHECK_THROWS_AS(student_t975(std::nan("")), Error);
}

TEST_CASE("the interval of a difference of independent means is Welch's", "[scoring]") {
  // scipy.stats.ttest_ind(b, a, equal_var=False).confidence_interval(0.95)
  const std::vector<double> a{0.71, 0.74, 0.69};
  const std::vector<double> b{0.75, 0.78, 0.80, 0.74};
  const IndependentDifference d = compare_independent(a, b);
  CHECK(std::abs(d.difference - 0.05416666666666681) < 1e-14);
  CHECK(std::abs(d.low - 0.0016550262663369009) < 1e-10);
  CHECK(std::abs(d.high - 0.10667830706699671) < 1e-10);
  CHECK(std::abs(d.spread_a - 0.025166114784235857) < 1e-14);
  CHECK(std::abs(d.spread_b - 0.027537852736430536) < 1e-14);
  const IndependentDifference turned = compare_independent(b, a);
  CHECK(std::abs(turned.low + d.high) < 1e-14);

  const std::vector<double> same{0.5, 0.5};
  const IndependentDifference none = compare_independent(same, same);
  CHECK(none.low == 0);
  CHECK(none.high == 0);
  CHECK_THROWS_WITH(compare_independent(same, std::vector<double>{1}), ContainsSubstring("wants two of each"));
}

}  // namespace vox::test
