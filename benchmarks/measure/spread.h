#pragma once

#include <vector>

namespace vox::bench {

/// Where several measurements of one thing lie. Quartiles interpolate between neighbours, as NumPy's do.
struct Spread {
  double median = 0;
  double lower_quartile = 0;
  double upper_quartile = 0;
  double lowest = 0;
  double highest = 0;

  /// Distance between the quartiles over the median: what the tables call spread.
  [[nodiscard]] double relative() const { return median != 0 ? (upper_quartile - lower_quartile) / median : 0; }
};
[[nodiscard]] Spread spread_of(std::vector<double> values);  ///< throws Error where there are none

/// Element by element: numerator[i] / denominator[i], as far as both go. What disturbs one round disturbs both.
[[nodiscard]] std::vector<double> ratios(const std::vector<double>& numerator, const std::vector<double>& denominator);

}  // namespace vox::bench
