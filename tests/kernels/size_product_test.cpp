#include "kernels/base/size_product.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "engine/tensor.h"
#include "kernels/base/check.h"
#include "tests/support/catch.h"

namespace vox::test {

TEST_CASE("a product of extents is what it is in wide arithmetic, or nothing where it is too large", "[sizes]") {
  constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max();
  const std::vector<std::int64_t> values{
      -1, 0, 1, 2, 3, 1 << 20, (std::int64_t{1} << 31U) - 1, std::int64_t{1} << 32U, std::int64_t{1} << 62U, kMost};
  for (const std::int64_t a : values) {
    for (const std::int64_t b : values) {
      for (const std::int64_t c : values) {
        CAPTURE(a, b, c);
        const auto found = size_product({a, b, c});
        CHECK(found == size_product({c, a, b}));  // whatever the order
        __extension__ using Wide = __int128;
        Wide wide = 1;
        for (const std::int64_t n : {a, b, c}) {
          if (n != 0 && wide <= kMost) { wide *= n; }
        }
        const bool fits = std::min({a, b, c}) >= 0 && wide <= kMost;
        REQUIRE(found.has_value() == fits);
        if (fits) { CHECK(*found == (std::min({a, b, c}) == 0 ? 0 : static_cast<std::int64_t>(wide))); }
      }
    }
  }
  CHECK(size_product({}) == 1);
  CHECK(size_product({6, 7}, 42) == 42);
  CHECK_FALSE(size_product({6, 7}, 41));
}

TEST_CASE("a shape whose values cannot be counted is refused, one of no values with long axes, too", "[sizes]") {
  const std::int64_t long_axis = std::int64_t{1} << 32U;
  CHECK_THROWS_WITH(Shape({long_axis, long_axis}),
                    ContainsSubstring("4294967296x4294967296 has more than 2^56 values"));
  CHECK_THROWS_AS(Shape({0, long_axis, long_axis}), Error);
  CHECK_THROWS_AS(Shape({1, 1, 1 << 20, 1 << 20, 1 << 20}), Error);
  CHECK(Shape({1, 1, 1 << 20, 1 << 20, 1 << 16}).volume().padded_count() == std::int64_t{1} << 59U);
  CHECK_THROWS_WITH(Tensor({-1, 2}, DType::f32), ContainsSubstring("has a negative extent"));
}

}  // namespace vox::test
