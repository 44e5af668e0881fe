#include "data/prepare/resample.h"

#include <cmath>

#include "kernels/base/check.h"
#include "tests/support/catch.h"

namespace vox::test {
namespace {

std::size_t at(std::int64_t i) { return static_cast<std::size_t>(i); }

/// Values that no interpolation of neighbours by accident reproduces.
template <class T> LargeVector<T> scattered(const Extent3& e, std::uint32_t modulus) {
  LargeVector<T> v(at(e[0] * e[1] * e[2]));
  std::uint32_t x = 12345;
  for (T& value : v) {
    x = x * 1664525U + 1013904223U;
    value = static_cast<T>((x >> 8U) % modulus);
  }
  return v;
}

struct Point {
  std::int64_t low;
  std::int64_t high;
  double weight;
};

/// PyTorch's area_pixel_compute_source_index with align_corners=False.
Point source(std::int64_t o, std::int64_t in, std::int64_t out) {
  const double x =
      std::max(0.0, (static_cast<double>(o) + 0.5) * static_cast<double>(in) / static_cast<double>(out) - 0.5);
  const auto low = std::min(static_cast<std::int64_t>(x), in - 1);
  return {low, low + (low < in - 1 ? 1 : 0), x - static_cast<double>(low)};
}

double trilinear(const LargeVector<float>& in, const Extent3& from, const Box& box, const Extent3& to, std::int64_t d,
                 std::int64_t h, std::int64_t w) {
  const std::array<Point, 3> p{source(d, box.size[0], to[0]), source(h, box.size[1], to[1]),
                               source(w, box.size[2], to[2])};
  double sum = 0;
  for (int corner = 0; corner < 8; ++corner) {
    double weight = 1;
    std::int64_t index = 0;
    for (std::size_t a = 0; a < 3; ++a) {
      const bool high = ((corner >> a) & 1) != 0;
      weight *= high ? p[a].weight : 1 - p[a].weight;
      index = index * from[a] + box.start[a] + (high ? p[a].high : p[a].low);
    }
    sum += weight * static_cast<double>(in[at(index)]);
  }
  return sum;
}

struct Sizes {
  Extent3 from;
  Box box;
  Extent3 to;
};

const std::vector<Sizes> kSizes{
    {{5, 7, 9}, {{0, 0, 0}, {5, 7, 9}}, {10, 3, 9}},    {{5, 7, 9}, {{1, 2, 3}, {3, 4, 5}}, {8, 8, 8}},
    {{1, 1, 1}, {{0, 0, 0}, {1, 1, 1}}, {3, 1, 2}},     {{6, 5, 4}, {{5, 4, 3}, {1, 1, 1}}, {2, 2, 2}},
    {{16, 3, 31}, {{0, 1, 0}, {16, 2, 31}}, {1, 1, 1}}, {{4, 4, 33}, {{0, 0, 1}, {4, 4, 32}}, {5, 6, 15}}};

TEST_CASE("resample: images follow PyTorch's trilinear formula for any crop and size", "[resample]") {
  for (const Sizes& s : kSizes) {
    const LargeVector<float> in = scattered<float>(s.from, 1000);
    const LargeVector<float> out = resize_trilinear(in, s.from, s.box, s.to);
    REQUIRE(out.size() == at(s.to[0] * s.to[1] * s.to[2]));
    std::size_t i = 0;
    for (std::int64_t d = 0; d < s.to[0]; ++d) {
      for (std::int64_t h = 0; h < s.to[1]; ++h) {
        for (std::int64_t w = 0; w < s.to[2]; ++w, ++i) {
          const double want = trilinear(in, s.from, s.box, s.to, d, h, w);
          // Seven blends of values below 1000, each rounded twice more than its weight: 32 roundings at most.
          if (!(std::abs(static_cast<double>(out[i]) - want) <= 32 * 1000 * 0x1p-24)) {
            FAIL("[" << d << "," << h << "," << w << "] is " << out[i] << ", wants " << want);
          }
        }
      }
    }
    CHECK(resize_trilinear(in, s.from, s.box, s.to, 3) == out);
  }
}

TEST_CASE("resample: labels take the voxel whose centre is nearest", "[resample]") {
  for (const Sizes& s : kSizes) {
    const auto in = scattered<std::uint8_t>(s.from, 4);
    const LargeVector<std::uint8_t> out = resize_nearest(in, s.from, s.box, s.to);
    std::size_t i = 0;
    for (std::int64_t d = 0; d < s.to[0]; ++d) {
      for (std::int64_t h = 0; h < s.to[1]; ++h) {
        for (std::int64_t w = 0; w < s.to[2]; ++w, ++i) {
          std::int64_t index = 0;
          const std::array<std::int64_t, 3> o{d, h, w};
          for (std::size_t a = 0; a < 3; ++a) {
            const auto in_a = static_cast<double>(s.box.size[a]);
            const auto n =
                static_cast<std::int64_t>((static_cast<double>(o[a]) + 0.5) * in_a / static_cast<double>(s.to[a]));
            index = index * s.from[a] + s.box.start[a] + n;
          }
          if (out[i] != in[at(index)]) { FAIL("[" << d << "," << h << "," << w << "]"); }
        }
      }
    }
    CHECK(resize_nearest(in, s.from, s.box, s.to, 4) == out);
  }
}

TEST_CASE("resample: an unchanged size copies every bit, and a doubled one repeats labels", "[resample]") {
  const Extent3 e{3, 5, 7};
  const Box all{{0, 0, 0}, e};
  const LargeVector<float> image = scattered<float>(e, 1U << 23U);
  CHECK(resize_trilinear(image, e, all, e) == image);
  const auto label = scattered<std::uint8_t>(e, 4);
  CHECK(resize_nearest(label, e, all, e) == label);
  const LargeVector<std::uint8_t> row{1, 2, 3};
  CHECK(resize_nearest(row, {1, 1, 3}, {{0, 0, 0}, {1, 1, 3}}, {1, 1, 6}) ==
        LargeVector<std::uint8_t>{1, 1, 2, 2, 3, 3});
}

TEST_CASE("resample: a box outside the volume is refused", "[resample]") {
  const LargeVector<float> in(8);
  const Extent3 e{2, 2, 2};
  CHECK_THROWS_AS(resize_trilinear(in, e, {{0, 0, 1}, {2, 2, 2}}, e), Error);
  CHECK_THROWS_AS(resize_trilinear(in, e, {{0, -1, 0}, {2, 2, 2}}, e), Error);
  CHECK_THROWS_AS(resize_trilinear(in, e, {{0, 0, 0}, {2, 2, 0}}, e), Error);
  CHECK_THROWS_AS(resize_trilinear(in, {2, 2, 3}, {{0, 0, 0}, {2, 2, 2}}, e), Error);
}

}  // namespace
}  // namespace vox::test
