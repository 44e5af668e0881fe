#include "data/scoring/independent.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <numeric>

#include "kernels/base/check.h"

namespace vox {
namespace {

struct Moments {
  double mean = 0;
  double variance = 0;
};

Moments moments_of(std::span<const double> values) {
  const auto n = static_cast<double>(values.size());
  Moments m{.mean = std::accumulate(values.begin(), values.end(), 0.0) / n};
  for (const double v : values) { m.variance += (v - m.mean) * (v - m.mean) / (n - 1); }
  return m;
}

/// The integral of cos(x)^power from 0 to `end` by Simpson's rule.
double cosine_power_integral(double power, double end) {
  constexpr int kParts = 2000;
  const double h = end / kParts;
  double sum = 0;
  for (int i = 0; i <= kParts; ++i) {
    const int weight = i == 0 || i == kParts ? 1 : (i % 2 == 1 ? 4 : 2);
    sum += weight * std::pow(std::cos(i * h), power);
  }
  return sum * h / 3;
}

/// std::lgamma leaves the sign in a variable that all threads share.
double log_gamma(double x) {
  int sign = 0;
  return ::lgamma_r(x, &sign);
}

}  // namespace

double student_t975(double n) {
  VOX_CHECK(n >= 1, "Student's distribution of {} degrees of freedom, wants 1 or more", n);
  // With t = sqrt(n) tan(x), P(|T| < t) is the integral of cos^(n-1) from 0 to x over that to pi/2, which is
  // sqrt(pi) Gamma(n/2) / (2 Gamma((n+1)/2)).
  const double whole = std::sqrt(std::numbers::pi) / 2 * std::exp(log_gamma(n / 2) - log_gamma((n + 1) / 2));
  double low = 0;
  double high = std::min(std::numbers::pi / 2, std::atan(13 / std::sqrt(n)));  // t is 12.7 at most
  for (int i = 0; i < 60; ++i) {
    const double middle = (low + high) / 2;
    (cosine_power_integral(n - 1, middle) < 0.95 * whole ? low : high) = middle;
  }
  return std::sqrt(n) * std::tan((low + high) / 2);
}

IndependentDifference compare_independent(std::span<const double> a, std::span<const double> b) {
  VOX_CHECK(a.size() >= 2 && b.size() >= 2, "independent: {} and {} runs, wants two of each at least", a.size(),
            b.size());
  const Moments of_a = moments_of(a);
  const Moments of_b = moments_of(b);
  IndependentDifference d{.mean_a = of_a.mean,
                          .mean_b = of_b.mean,
                          .spread_a = std::sqrt(of_a.variance),
                          .spread_b = std::sqrt(of_b.variance),
                          .difference = of_b.mean - of_a.mean};
  const double share_a = of_a.variance / static_cast<double>(a.size());
  const double share_b = of_b.variance / static_cast<double>(b.size());
  const double variance = share_a + share_b;
  double half = 0;
  if (variance > 0) {
    const double degrees =
        variance * variance /
        (share_a * share_a / static_cast<double>(a.size() - 1) + share_b * share_b / static_cast<double>(b.size() - 1));
    half = student_t975(degrees) * std::sqrt(variance);
  }
  d.low = d.difference - half;
  d.high = d.difference + half;
  return d;
}

}  // namespace vox
