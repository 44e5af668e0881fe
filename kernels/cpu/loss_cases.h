#pragma once

#include <algorithm>
#include <span>

// What the losses of several terms make of the sums of their cases.

namespace vox {
namespace {

/// sums[groups] of case_sums[cases], each [doubles]: those of all cases in order where there is one group, else the
/// same.
inline void add_cases(std::span<const double> case_sums, std::span<double> sums) {
  std::fill(sums.begin(), sums.end(), 0.0);
  for (std::size_t i = 0; i < case_sums.size(); ++i) { sums[i % sums.size()] += case_sums[i]; }
}

}  // namespace
}  // namespace vox
