#include "tests/support/compare.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <limits>

namespace vox::test {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

/// An infinite one would allow every error.
double largest_finite(std::span<const double> values) {
  double largest = 0;
  for (const double v : values) {
    if (std::isfinite(v)) { largest = std::max(largest, std::abs(v)); }
  }
  return largest;
}

/// 0 between equal infinities; never NaN.
double difference(double got, double want) {
  if (got == want) { return 0; }
  const double d = std::abs(got - want);
  return std::isnan(d) ? kInfinity : d;
}

}  // namespace

double tolerance(DType dtype, std::int64_t terms, double scale, Products products) {
  const double unit = dtype == DType::bf16 ? 0x1p-8 : dtype == DType::f32 ? 0x1p-24 : 0x1p-53;  // roundoff of one store
  const double carry = dtype == DType::f64 ? 0x1p-53 : 0x1p-24;                                 // roundoff of one add
  // Tensor cores cut off 11/8 of a carry per product, which the 4 allows for (tests/kernels/tensor_core_sums_test.cpp).
  // Each factor keeps 2^-17 of its value or better, and the product of the low halves, 2^-18, may be missing.
  const double halved = products == Products::halves && dtype == DType::f32 ? 2 * 0x1p-17 + 0x1p-18 : 0;
  // The small factors first: 4 * scale may overflow.
  return 4.0 * (unit + halved + carry * static_cast<double>(terms)) * scale;
}

std::string first_mismatch(std::span<const double> got, std::span<const double> want, DType dtype, std::int64_t terms,
                           double conditioning, Products products) {
  if (got.size() != want.size()) { return fmt::format("{} values, wants {}", got.size(), want.size()); }
  const double allowed = tolerance(dtype, terms, largest_finite(want), products) * conditioning;
  if (!std::isfinite(allowed)) { return fmt::format("allowed error is {}, wants a finite one", allowed); }
  for (std::size_t i = 0; i < want.size(); ++i) {
    const double error = difference(got[i], want[i]);
    if (!(error <= allowed)) {
      return fmt::format("[{}] got {:.9g}, wants {:.9g}: off by {:.2g}, allowed {:.2g} ({})", i, got[i], want[i], error,
                         allowed, name(dtype));
    }
  }
  return {};
}

double relative_error(std::span<const double> got, std::span<const double> want) {
  if (got.size() != want.size() || want.empty()) { return kInfinity; }
  double error = 0;
  for (std::size_t i = 0; i < want.size(); ++i) { error = std::max(error, difference(got[i], want[i])); }
  const double scale = largest_finite(want);
  return scale > 0 ? error / scale : error;
}

}  // namespace vox::test
