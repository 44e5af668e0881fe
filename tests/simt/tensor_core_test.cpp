#include "kernels/simt/tensor_core.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "kernels/base/bf16.h"
#include "tests/support/catch.h"

/// How tensor cores round, against values that tell the ways apart and against the formula of each.
namespace vox::test {
namespace {

using simt::TensorCore;

constexpr int kExact = 0;
constexpr int kSm80 = 1;
constexpr int kSm90 = 2;
constexpr TensorCore kAll[] = {TensorCore::exact, TensorCore::sm_80, TensorCore::sm_90};

float added(TensorCore how, const std::vector<float>& a, const std::vector<float>& b, float c, int depth) {
  simt::Factors row;
  simt::Factors column;
  for (unsigned k = 0; k < static_cast<unsigned>(depth); ++k) {
    row.set(k, k < a.size() ? a[k] : 0);
    column.set(k, k < b.size() ? b[k] : 0);
  }
  return simt::add_products(how, row, column, c, depth);
}

int exponent(double x) { return x == 0 ? -1000 : std::max(std::ilogb(x), -126); }

/// The formula of kernels/simt/options.h, number by number.
double formula(int products, int digits, const std::vector<float>& a, const std::vector<float>& b, double c) {
  for (std::size_t first = 0; first < a.size(); first += static_cast<std::size_t>(products)) {
    const auto last = first + static_cast<std::size_t>(products);
    int highest = exponent(c);
    for (std::size_t k = first; k < last; ++k) { highest = std::max(highest, exponent(a[k]) + exponent(b[k])); }
    const auto cut = [&](double x) {
      return std::ldexp(std::trunc(std::ldexp(x, digits - highest)), highest - digits);
    };
    c = cut(c);
    for (std::size_t k = first; k < last; ++k) { c += cut(double{a[k]} * b[k]); }
    const int place = 23 - exponent(c);
    c = std::ldexp(std::trunc(std::ldexp(c, place)), -place);
  }
  return c;
}

/// Of either sign, with so many bits of mantissa, 2^-spread to 2^spread, and one of eight 0.
std::vector<float> scattered(int count, int bits, int spread, std::mt19937& random) {
  std::vector<float> v;
  for (int i = 0; i < count; ++i) {
    const auto mantissa =
        static_cast<int>((1U << static_cast<unsigned>(bits)) + random() % (1U << static_cast<unsigned>(bits)));
    const int shift = static_cast<int>(random() % static_cast<unsigned>(2 * spread + 1)) - spread - bits;
    const float x = std::ldexp(static_cast<float>(mantissa), shift);
    v.push_back(random() % 8 == 0 ? 0 : random() % 2 == 0 ? x : -x);
  }
  return v;
}

}  // namespace

TEST_CASE("tensor cores cut what lies behind the digits that they keep", "[simt]") {
  constexpr float kStep = 0x1p-23F;  // from 1 to the next float
  struct Example {
    const char* what;
    float c;
    std::vector<float> a;
    std::vector<float> b;
    float wants[3];  ///< exact, sm_80, sm_90
  };
  const float denormal = std::numeric_limits<float>::denorm_min();
  const Example examples[] = {
      {"nothing to round", 3, {2, -4, 0.5F}, {5, 1, 0.25F}, {9.125F, 9.125F, 9.125F}},
      {"a result between two floats", 1, {1.5F}, {0x1p-24F}, {1 + kStep, 1, 1}},
      {"below 0, toward zero as well", -1, {-1.5F}, {0x1p-24F}, {-1 - kStep, -1, -1}},
      {"digit 25", 1, {1, 1, 1, 1}, {0x1p-25F, 0x1p-25F, 0x1p-25F, 0x1p-25F}, {1 + kStep, 1, 1 + kStep}},
      {"digit 25, taken off", 1, {-1}, {0x1p-25F}, {1, 1, 1 - kStep / 2}},
      {"what is left of a difference", 1, {-1, 1}, {1, 0x1p-25F}, {0x1p-25F, 0, 0x1p-25F}},
      {"digit 24 in one step of 8", 1, {1, 1}, {0x1p-24F, 0x1p-24F}, {1 + kStep, 1 + kStep, 1 + kStep}},
      {"and in two",
       1,
       {1, 0, 0, 0, 0, 0, 0, 0, 1},
       {0x1p-24F, 0, 0, 0, 0, 0, 0, 0, 0x1p-24F},
       {1 + kStep, 1, 1 + kStep}},
      {"a product's exponent is that of its factors",
       0,
       {1.5F, 1, 1, 1, 1},
       {1.5F, 0x1p-24F, 0x1p-24F, 0x1p-24F, 0x1p-24F},
       {2.25F + 2 * kStep, 2.25F + 2 * kStep, 2.25F + 2 * kStep}},
      {"a large accumulator", 0x1p30F, {1, 1, 1, 1}, {32, 32, 32, 32}, {0x1p30F + 128, 0x1p30F, 0x1p30F + 128}},
      {"denormal numbers", 0, {0x1p-80F}, {0x1p-68F}, {2 * denormal, 2 * denormal, 2 * denormal}},
      {"half of the least", 0, {1.5F}, {denormal}, {2 * denormal, denormal, denormal}},
  };
  for (const Example& e : examples) {
    for (const int how : {kExact, kSm80, kSm90}) {
      INFO(e.what << ", " << how);
      CHECK(added(kAll[how], e.a, e.b, e.c, 16) == e.wants[how]);
    }
  }
}

TEST_CASE("tensor cores give infinity and NaN where a sum does", "[simt]") {
  constexpr float kInf = std::numeric_limits<float>::infinity();
  for (const TensorCore how : kAll) {
    CHECK(added(how, {0x1p100F}, {0x1p100F}, 0, 16) == kInf);
    CHECK(added(how, {0x1p100F, 0x1p100F}, {0x1p100F, -0x1p100F}, 3, 16) == 0);
    CHECK(added(how, {1, kInf}, {1, 2}, 0, 16) == kInf);
    CHECK(added(how, {1}, {1}, -kInf, 16) == -kInf);
    CHECK(added(how, {0x1p-120F}, {kInf}, 0, 8) == kInf);
    CHECK(std::isnan(added(how, {kInf}, {0}, 1, 16)));
    CHECK(std::isnan(added(how, {kInf, 1}, {1, -kInf}, 1, 8)));
    CHECK(std::isnan(added(how, {1}, {1}, std::numeric_limits<float>::quiet_NaN(), 16)));
    CHECK(added(how, {}, {}, 0, 16) == 0);
  }
}

TEST_CASE("tensor cores round as the formulas say, bit for bit", "[simt]") {
  std::mt19937 random(5);
  struct Kind {
    int depth;
    int bits;
    int step80;
  };
  for (const auto [depth, bits, step80] : {Kind{16, 7, 8}, Kind{8, 10, 4}}) {  // bf16 and tf32
    int different = 0;
    for (int i = 0; i < 20000; ++i) {
      const int spread = i % 16;
      const auto a = scattered(depth, bits, spread, random);
      const auto b = scattered(depth, bits, spread, random);
      const float c = scattered(1, 23, 2 * spread, random)[0];
      const double sm80 = formula(step80, 24, a, b, c);
      const double sm90 = formula(depth, 25, a, b, c);
      INFO(depth << ", " << i);
      REQUIRE(added(TensorCore::sm_80, a, b, c, depth) == sm80);
      REQUIRE(added(TensorCore::sm_90, a, b, c, depth) == sm90);
      different += static_cast<int>(sm80 != sm90);
    }
    CHECK(different > 2000);
  }
}

}  // namespace vox::test
