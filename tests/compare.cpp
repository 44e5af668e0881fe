#include "tests/compare.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace vox::test {

double tolerance(DType dtype, std::int64_t terms, double scale) {
  const double unit = dtype == DType::bf16 ? 0x1p-8 : dtype == DType::f32 ? 0x1p-24 : 0x1p-53;  // roundoff of one store
  const double carry = dtype == DType::f64 ? 0x1p-53 : 0x1p-24;                                 // roundoff of one add
  return 4.0 * scale * (unit + carry * static_cast<double>(terms));
}

std::string first_mismatch(std::span<const double> got, std::span<const double> want, DType dtype, std::int64_t terms,
                           double conditioning) {
  if (got.size() != want.size()) { return fmt::format("{} values, wants {}", got.size(), want.size()); }
  double scale = 0;
  for (const double w : want) { scale = std::max(scale, std::abs(w)); }
  for (std::size_t i = 0; i < want.size(); ++i) {
    const double error = std::abs(got[i] - want[i]);
    const double allowed = tolerance(dtype, terms, scale) * conditioning;
    if (!(error <= allowed)) {  // not (error > allowed): that lets NaN through
      return fmt::format("[{}] got {:.9g}, wants {:.9g}: off by {:.2g}, allowed {:.2g} ({})", i, got[i], want[i], error,
                         allowed, name(dtype));
    }
  }
  return {};
}

}  // namespace vox::test
