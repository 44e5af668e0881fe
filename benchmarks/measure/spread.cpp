#include "benchmarks/measure/spread.h"

#include <algorithm>
#include <cmath>

#include "kernels/base/check.h"

namespace vox::bench {

Spread spread_of(std::vector<double> values) {
  VOX_CHECK(!values.empty(), "no measurement to take the median of");
  std::sort(values.begin(), values.end());
  const auto at = [&](double share) {
    const double place = share * static_cast<double>(values.size() - 1);
    const double below = std::floor(place);
    const auto i = static_cast<std::size_t>(below);
    const std::size_t next = std::min(i + 1, values.size() - 1);
    return values[i] + (place - below) * (values[next] - values[i]);
  };
  return {.median = at(0.5),
          .lower_quartile = at(0.25),
          .upper_quartile = at(0.75),
          .lowest = values.front(),
          .highest = values.back()};
}

std::vector<double> ratios(const std::vector<double>& numerator, const std::vector<double>& denominator) {
  std::vector<double> result(std::min(numerator.size(), denominator.size()));
  for (std::size_t i = 0; i < result.size(); ++i) { result[i] = numerator[i] / denominator[i]; }
  return result;
}

}  // namespace vox::bench
