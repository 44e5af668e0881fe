#include "kernels/simt/tensor_core.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace vox::simt {
namespace {

constexpr int kZero = -400;       // no product with a zero has an exponent as high as the least of one without, -252
constexpr int kNotFinite = 1000;  // and none with an infinity or NaN one as low as the highest of finite factors, 254
constexpr int kLowest = -300;
constexpr int kHighest = 300;

/// floor(log2(|x|)) of a normal number, -126 of a denormal one.
int exponent_of(float x) {
  const auto biased = static_cast<int>(std::bit_cast<std::uint32_t>(x) >> 23U & 0xFFU);
  if (x == 0) { return kZero; }
  return biased == 0xFF ? kNotFinite : std::max(biased, 1) - 127;
}

double power_of_2(int exponent) { return std::bit_cast<double>(static_cast<std::uint64_t>(exponent + 1023) << 52U); }

float toward_zero(double x) {
  const auto d = std::bit_cast<double>(std::bit_cast<std::uint64_t>(x) & ~0x1FFFFFFFULL);  // what float keeps
  const auto f = static_cast<float>(d);  // rounds denormal numbers alone
  return std::abs(f) <= std::abs(d) || std::abs(d) >= 0x1p128 ? f : std::nextafter(f, 0.0F);
}

float nearest(double d) { return std::isnan(d) ? std::bit_cast<float>(0x7FFFFFFFU) : static_cast<float>(d); }

double sum(const double* a, const double* b, float c, int products) {
  double s = c;
  for (int k = 0; k < products; ++k) { s += a[k] * b[k]; }
  return s;
}

template <int PRODUCTS, int BITS> float truncated_step(const Factors& a, const Factors& b, float c, int first) {
  const double* const x = a.value + first;
  const double* const y = b.value + first;
  auto highest = static_cast<std::int16_t>(std::max(kLowest, exponent_of(c)));
  for (int k = 0; k < PRODUCTS; ++k) {
    highest = std::max(highest, static_cast<std::int16_t>(a.exponent[first + k] + b.exponent[first + k]));
  }
  if (highest > kHighest) { return nearest(sum(x, y, c, PRODUCTS)); }
  // A product is below 2^(highest+2): as a multiple of the unit it fits an int, and all of them add up without
  // rounding.
  const double units = power_of_2(BITS - highest);
  auto s = static_cast<std::int64_t>(c * units);
  for (int k = 0; k < PRODUCTS; ++k) { s += static_cast<int>(x[k] * y[k] * units); }
  return toward_zero(static_cast<double>(s) * power_of_2(highest - BITS));
}

template <int PRODUCTS, int BITS> float truncated(const Factors& a, const Factors& b, float c, int depth) {
  for (int first = 0; first < depth; first += PRODUCTS) { c = truncated_step<PRODUCTS, BITS>(a, b, c, first); }
  return c;
}

}  // namespace

void Factors::set(unsigned k, float x) {
  value[k] = x;
  exponent[k] = static_cast<std::int16_t>(exponent_of(x));
}

float add_products(TensorCore how, const Factors& a, const Factors& b, float c, int depth) {
  switch (how) {
    case TensorCore::exact:
      return nearest(sum(a.value, b.value, c, depth));
    case TensorCore::sm_80:
      return depth == 16 ? truncated<8, 24>(a, b, c, depth) : truncated<4, 24>(a, b, c, depth);
    case TensorCore::sm_90:
      return depth == 16 ? truncated<16, 25>(a, b, c, depth) : truncated<8, 25>(a, b, c, depth);
  }
  return c;
}

}  // namespace vox::simt
