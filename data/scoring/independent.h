#pragma once

#include <span>

namespace vox {

/// Two ways of training, each with several seeds: what the difference of their means is worth.
struct IndependentDifference {
  double mean_a = 0;
  double mean_b = 0;
  double spread_a = 0;  ///< the standard deviation of a sample, of n - 1 degrees of freedom
  double spread_b = 0;
  double difference = 0;  ///< mean of b less that of a
  double low = 0;         ///< of its 95 % interval
  double high = 0;
};

/// B. L. Welch, "The generalization of 'Student's' problem when several different population variances are involved",
/// Biometrika 34, 1947: difference +- t sqrt(va/na + vb/nb), v the variances, t the 0.975 quantile of Student's
/// distribution with (va/na + vb/nb)^2 / ((va/na)^2/(na-1) + (vb/nb)^2/(nb-1)) degrees of freedom. Both variances 0:
/// the interval is the difference. Throws Error where either has fewer than two values.
[[nodiscard]] IndependentDifference compare_independent(std::span<const double> a, std::span<const double> b);

/// The t that a variable of Student's distribution is below with a probability of 0.975. Any number of degrees of
/// freedom from 1; to about 1e-9 of itself up to 1e6 of them.
[[nodiscard]] double student_t975(double degrees_of_freedom);

}  // namespace vox
