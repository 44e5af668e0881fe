#include "tests/support/compare.h"

#include <limits>
#include <vector>

#include "tests/support/catch.h"

// A comparison that passes everything passes silently: nothing that is not a number may widen what is allowed.

namespace vox::test {
namespace {

using Values = std::vector<double>;

constexpr double kInf = std::numeric_limits<double>::infinity();
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kLargest = std::numeric_limits<double>::max();

}  // namespace

TEST_CASE("first_mismatch allows no more beside an infinite value than without it", "[compare]") {
  for (const double odd : {kInf, -kInf}) {
    CHECK(first_mismatch(Values{odd, 1}, Values{odd, 1}, DType::f32, 1) == "");
    CHECK_THAT(first_mismatch(Values{odd, 2}, Values{odd, 1}, DType::f32, 1), ContainsSubstring("[1] got 2, wants 1"));
    CHECK_THAT(first_mismatch(Values{5, 1}, Values{odd, 1}, DType::f32, 1), ContainsSubstring("[0] got 5, wants"));
    CHECK(first_mismatch(Values{-odd, 1}, Values{odd, 1}, DType::f32, 1) != "");
    CHECK(first_mismatch(Values{odd, 1}, Values{1, 1}, DType::f32, 1) != "");
  }
}

TEST_CASE("first_mismatch refuses NaN, also where it is wanted", "[compare]") {
  CHECK(first_mismatch(Values{1, 1}, Values{kNan, 1}, DType::f32, 1) != "");
  CHECK(first_mismatch(Values{kNan, 1}, Values{1, 1}, DType::f32, 1) != "");
  CHECK(first_mismatch(Values{kNan, 1}, Values{kNan, 1}, DType::f32, 1) != "");
}

TEST_CASE("first_mismatch refuses when what it would allow is infinite", "[compare]") {
  CHECK(first_mismatch(Values{kLargest, 7}, Values{kLargest, 1}, DType::f64, 1, kInf) != "");
  CHECK_THAT(first_mismatch(Values{1}, Values{2}, DType::f64, 1, kInf), ContainsSubstring("allowed error is inf"));
  CHECK(first_mismatch(Values{-kLargest}, Values{kLargest}, DType::f64, 1) != "");  // the difference overflows
  CHECK(first_mismatch(Values{kLargest}, Values{kLargest}, DType::f64, 1) == "");
}

TEST_CASE("products of halves may be off by more than a store of f32, and those of f64 by nothing more", "[compare]") {
  const Values off{1 + 0x1p-16};
  const Values far{1 + 0x1p-13};
  CHECK(first_mismatch(off, Values{1}, DType::f32, 1) != "");
  CHECK(first_mismatch(off, Values{1}, DType::f32, 1, 1, Products::halves) == "");
  CHECK(first_mismatch(far, Values{1}, DType::f32, 1, 1, Products::halves) != "");
  CHECK(first_mismatch(off, Values{1}, DType::f64, 1, 1, Products::halves) != "");
}

TEST_CASE("relative_error lets nothing pass that is no number, and goes by the largest finite value", "[compare]") {
  CHECK(relative_error(Values{1, 2}, Values{1, 2}) == 0);
  CHECK(relative_error(Values{1, 3}, Values{1, 2}) == 0.5);
  CHECK(relative_error(Values{0.25}, Values{0}) == 0.25);
  CHECK(relative_error(Values{kInf, 3}, Values{kInf, 2}) == 0.5);
  for (const double odd : {kInf, -kInf, kNan}) {
    CHECK(relative_error(Values{odd, 2}, Values{1, 2}) == kInf);
    CHECK(relative_error(Values{1, odd}, Values{1, 2}) == kInf);
    CHECK(relative_error(Values{1, 2}, Values{odd, 2}) == kInf);
  }
  CHECK(relative_error(Values{kNan}, Values{kNan}) == kInf);
  CHECK(relative_error(Values{1}, Values{1, 2}) == kInf);
  CHECK(relative_error(Values{}, Values{}) == kInf);
}

}  // namespace vox::test
