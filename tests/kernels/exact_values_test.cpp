#include <cmath>
#include <limits>
#include <numeric>

#include "engine/ops.h"
#include "engine/tape.h"
#include "tests/engine/op_case.h"
#include "tests/support/catch.h"

// What central differences cannot see: kinks, ties, NaN, infinities and rounding.

namespace vox::test {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kInf = std::numeric_limits<double>::infinity();
constexpr DType kFloats[] = {DType::f64, DType::f32, DType::bf16};

Tensor plain(const Values& v, DType dtype) { return to_tensor(v, {std::ssize(v)}, Kind::plain, dtype); }

Values gradient(Tensor x, const std::function<Tensor(const Tensor&)>& f, const Values& dy) {
  x.requires_grad();
  const Tensor y = f(x);
  backward(y, to_tensor_like(dy, y));
  return x.grad().to_doubles();
}

}  // namespace

TEST_CASE("relu has derivative 0 at 0 and lets NaN through", "[relu]") {
  for (const DType dtype : kFloats) {
    const Tensor x = plain({-1, -0.0, 0, 2, kInf, -kInf, kNan}, dtype);
    const Values y = relu(x).to_doubles();
    CHECK(Values(y.begin(), y.end() - 1) == Values{0, 0, 0, 2, kInf, 0});
    CHECK(std::isnan(y.back()));
    CHECK(gradient(x, relu, {1, 2, 3, 4, 5, 6, 7}) == Values{0, 0, 0, 4, 5, 0, 7});
  }
}

TEST_CASE("leaky_relu has its slope as derivative at 0", "[leaky_relu]") {
  const auto leaky = [](const Tensor& x) { return leaky_relu(x, 0.25); };
  for (const DType dtype : kFloats) {
    const Tensor x = plain({-4, 0, 2, kNan}, dtype);
    const Values y = leaky(x).to_doubles();
    CHECK(Values(y.begin(), y.end() - 1) == Values{-1, 0, 2});
    CHECK(std::isnan(y.back()));
    CHECK(gradient(x, leaky, {4, 8, 12, 16}) == Values{1, 2, 12, 16});
  }
}

TEST_CASE("max_pool3d gives the gradient of a tie to the first in scan order", "[max_pool3d]") {
  const Shape cell{1, 1, 2, 2, 2};
  for (const DType dtype : kFloats) {
    for (std::size_t first = 0; first < 8; ++first) {
      for (std::size_t second = first; second < 8; ++second) {
        Values v(8, -3);
        v[first] = v[second] = 1.5;
        Values want(8, 0.0);
        want[first] = 5;
        CHECK(gradient(to_tensor(v, cell, Kind::volume, dtype), max_pool3d, {5}) == want);
      }
    }
    CHECK(gradient(to_tensor(Values(8, -kInf), cell, Kind::volume, dtype), max_pool3d, {5}) ==
          Values{5, 0, 0, 0, 0, 0, 0, 0});
  }
}

TEST_CASE("max_pool3d keeps a NaN and sends the gradient to it", "[max_pool3d]") {
  for (const std::size_t place : {0U, 3U, 7U}) {
    Values v{1, 2, 3, 4, 5, 6, 7, 8};
    v[place] = kNan;
    const Tensor x = to_tensor(v, {1, 1, 2, 2, 2}, Kind::volume, DType::f32);
    CHECK(std::isnan(max_pool3d(x).item()));
    CHECK(gradient(x, max_pool3d, {5})[place] == 5);
  }
}

TEST_CASE("cast rounds to nearest, ties to even, and keeps NaN and infinity", "[cast]") {
  const double ulp = 0x1p-7;  // of bf16 at 1
  const Values x{1 + ulp / 2, 1 + 3 * ulp / 2, 1 + 0.51 * ulp, -1 - ulp / 2, 0x1p-140, 3.5e38, kInf, -kInf, -0.0};
  const Values got = cast(plain(x, DType::f32), DType::bf16).to_doubles();
  CHECK(got == Values{1, 1 + 2 * ulp, 1 + ulp, -1, 0, kInf, kInf, -kInf, 0});
  CHECK(std::isnan(cast(plain({kNan}, DType::f64), DType::bf16).item()));
  CHECK(cast(plain({1 + 0x1p-30}, DType::f64), DType::f32).item() == 1);
  CHECK(cast(cast(plain({0.1}, DType::f32), DType::f64), DType::f32).item() == static_cast<double>(0.1F));
}

TEST_CASE("cast gives the gradient back in the type it came in", "[cast]") {
  Tensor x = plain({1, 2}, DType::f32);
  x.requires_grad();
  const Tensor y = cast(x, DType::f64);
  backward(y, plain({0.5, -3}, DType::f64));
  CHECK(x.grad().dtype() == DType::f32);
  CHECK(x.grad().to_doubles() == Values{0.5, -3});
}

TEST_CASE("the sum of a million values is right to the last bits of f32", "[sum]") {
  const std::int64_t count = 1'000'003;
  std::vector<float> values(static_cast<std::size_t>(count));
  for (std::size_t i = 0; i < values.size(); ++i) { values[i] = 1.0F + static_cast<float>(i % 7) * 0.1F; }
  const double want = std::accumulate(values.begin(), values.end(), 0.0);
  const Tensor x = Tensor::of<float>({count}, values);
  CHECK(std::abs(sum(x).item() - want) <= want * 0x1p-22);
  CHECK(std::abs(mean(x).item() - want / static_cast<double>(count)) <= 2 * 0x1p-22);
}

}  // namespace vox::test
