#include "kernels/simt/tensor_core.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

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

/// Toward zero, to as many bits of mantissa as float keeps.
double cut_to_float(double x) { return std::bit_cast<double>(std::bit_cast<std::uint64_t>(x) & ~0x1FFFFFFFULL); }

float toward_zero(double x) {
  const double d = cut_to_float(x);
  const auto f = static_cast<float>(d);  // rounds denormal numbers alone
  return std::abs(f) <= std::abs(d) || std::abs(d) >= 0x1p128 ? f : std::nextafter(f, 0.0F);
}

float nearest(double d) { return std::isnan(d) ? std::bit_cast<float>(0x7FFFFFFFU) : static_cast<float>(d); }

double sum(const float* a, const float* b, float c, int products) {
  double s = c;
  for (int k = 0; k < products; ++k) { s += double{a[k]} * double{b[k]}; }
  return s;
}

constexpr int kTogether = 4;
using Floats = float __attribute__((vector_size(kTogether * sizeof(float))));  // of g++ and clang
using Ints = std::int32_t __attribute__((vector_size(kTogether * sizeof(std::int32_t))));

template <class Vector, class T> Vector load(const T* from) {
  Vector v;
  std::memcpy(&v, from, sizeof v);
  return v;
}

/// The highest exponent of c and of the products, kLowest where all of them are 0.
template <int PRODUCTS> int highest_exponent(const std::int32_t* a, const std::int32_t* b, float c) {
  Ints most = Ints{} + std::max(kLowest, exponent_of(c));
  for (int k = 0; k < PRODUCTS; k += kTogether) {
    const Ints e = load<Ints>(a + k) + load<Ints>(b + k);
    most = e > most ? e : most;
  }
  return std::max(std::max(most[0], most[1]), std::max(most[2], most[3]));
}

constexpr int kPlain = 60;  // products and units with this exponent or its negative are normal numbers of float

/// c and the products in units of 2^(highest-BITS), each cut toward zero, and their sum. A product is below
/// 2^(highest+2), so that four of them fit an int; its 22 bits are exact in float, and what is denormal there is below
/// one unit.
template <int PRODUCTS, int BITS> std::int64_t sum_in_units(const float* a, const float* b, float c, int highest) {
  const auto units = static_cast<float>(power_of_2(BITS - highest));
  Ints s{};
  for (int k = 0; k < PRODUCTS; k += kTogether) {
    s += __builtin_convertvector(load<Floats>(a + k) * load<Floats>(b + k) * units, Ints);
  }
  return std::int64_t{s[0]} + s[1] + s[2] + s[3] + static_cast<int>(c * units);
}

template <int PRODUCTS, int BITS> float truncated_step(const Factors& a, const Factors& b, float c, int first) {
  const float* const x = a.value + first;
  const float* const y = b.value + first;
  const int highest = highest_exponent<PRODUCTS>(a.exponent + first, b.exponent + first, c);
  if (highest == kLowest) { return 0; }
  if (highest >= -kPlain && highest <= kPlain) {
    const std::int64_t s = sum_in_units<PRODUCTS, BITS>(x, y, c, highest);
    return static_cast<float>(cut_to_float(static_cast<double>(s) * power_of_2(highest - BITS)));
  }
  if (highest > kHighest) { return nearest(sum(x, y, c, PRODUCTS)); }
  // The same in double, for exponents of any size.
  const double units = power_of_2(BITS - highest);
  auto s = static_cast<std::int64_t>(c * units);
  for (int k = 0; k < PRODUCTS; ++k) { s += static_cast<int>(double{x[k]} * double{y[k]} * units); }
  return toward_zero(static_cast<double>(s) * power_of_2(highest - BITS));
}

template <int PRODUCTS, int BITS> float truncated(const Factors& a, const Factors& b, float c, int depth) {
  for (int first = 0; first < depth; first += PRODUCTS) { c = truncated_step<PRODUCTS, BITS>(a, b, c, first); }
  return c;
}

}  // namespace

void Factors::set(unsigned k, float x) {
  value[k] = x;
  exponent[k] = exponent_of(x);
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
