#pragma once

#include <cstdint>
#include <span>

namespace vox {

/// Two methods scored on the same cases: what their difference is worth.
struct PairedDifference {
  double mean_a = 0;
  double mean_b = 0;
  double difference = 0;  ///< mean of b - a
  double low = 0;         ///< of its 95 % bootstrap interval
  double high = 0;
  double p_value = 1;  ///< of wilcoxon_signed_rank()
};

/// Interval: percentiles 2.5 and 97.5, interpolated linearly, of the means of 10000 samples of the cases drawn with
/// replacement, the differences of a case staying together (B. Efron, R. Tibshirani, "An Introduction to the
/// Bootstrap", 1993, 13.3); drawn by Philox from a fixed key, so the same every time. It is narrow by chance where
/// cases are few. Throws Error for spans that differ in length or are empty, and for a score that is not finite or
/// larger than 1e300.
[[nodiscard]] PairedDifference compare_paired(std::span<const double> a, std::span<const double> b);

/// Two-sided p-value of the signed-rank test (F. Wilcoxon, "Individual comparisons by ranking methods", Biometrics 1,
/// 1945) of differences being symmetric about 0. Differences of 0 are left out, equal ones share the mean of their
/// ranks. Up to 200 of them exact, over all signs the ranks may have; above, by the normal distribution with the
/// variance that ties leave, without a correction for continuity. 1 where no difference is left. No difference
/// may be NaN.
[[nodiscard]] double wilcoxon_signed_rank(std::span<const double> differences);

}  // namespace vox
