#include "data/prepare/restore.h"

#include <cmath>
#include <limits>

#include "kernels/base/check.h"
#include "kernels/base/philox.h"
#include "tests/support/catch.h"

namespace vox::test {
namespace {

constexpr std::int64_t kFourClasses = 4;

GridMapping mapping(const Extent3& source, const Box& box, const Extent3& size) {
  return {{source, {1, 1, 1}, {-1, 0, 0, 5, 0, -1, 0, 6, 0, 0, 1, 7}}, box, size};
}

LargeVector<float> random_probabilities(const Extent3& size) {
  LargeVector<float> p(static_cast<std::size_t>(kFourClasses * size[0] * size[1] * size[2]));
  for (std::size_t i = 0; i < p.size(); ++i) { p[i] = static_cast<float>(unit(random4({.seed = 3}, i).v[0])); }
  return p;
}

TEST_CASE("restore: where the box has the network's size, labels come back exactly and zero lies around", "[restore]") {
  const GridMapping m = mapping({6, 7, 8}, {{1, 2, 3}, {4, 3, 5}}, {4, 3, 5});
  const LargeVector<float> p = random_probabilities(m.size);
  const LabelMap labels = restore_labels(p, m);
  CHECK(labels.geometry == m.source);
  for (std::int64_t d = 0; d < 6; ++d) {
    for (std::int64_t h = 0; h < 7; ++h) {
      for (std::int64_t w = 0; w < 8; ++w) {
        const bool inside = d >= 1 && d < 5 && h >= 2 && h < 5 && w >= 3;
        int want = 0;
        for (int k = 1; inside && k < kFourClasses; ++k) {
          const auto value = [&](int c) {
            return p[static_cast<std::size_t>(((c * 4 + d - 1) * 3 + h - 2) * 5 + w - 3)];
          };
          if (value(k) > value(want)) { want = k; }
        }
        if (labels.values[static_cast<std::size_t>(labels.index(d, h, w))] != want) {
          FAIL("[" << d << "," << h << "," << w << "] wants " << want);
        }
      }
    }
  }
  CHECK(restore_labels(p, m, 3).values == labels.values);
}

TEST_CASE("restore: labels are the argmax of the probabilities restored one by one", "[restore]") {
  for (const Extent3& box_size : {Extent3{9, 4, 11}, Extent3{3, 20, 2}, Extent3{1, 1, 1}}) {
    const GridMapping m = mapping({12, 25, 14}, {{2, 3, 1}, box_size}, {5, 6, 7});
    const LargeVector<float> p = random_probabilities(m.size);
    const LabelMap labels = restore_labels(p, m, 2);
    std::vector<Image> images;
    for (std::int64_t k = 0; k < kFourClasses; ++k) {
      images.push_back(restore_probability(p, k, m, 1));
      CHECK(images.back().values == restore_probability(p, k, m, 4).values);
    }
    for (std::size_t i = 0; i < labels.values.size(); ++i) {
      std::size_t want = 0;
      for (std::size_t k = 1; k < 4; ++k) { want = images[k].values[i] > images[want].values[i] ? k : want; }
      if (labels.values[i] != want) { FAIL("voxel " << i); }
    }
    CHECK(images[0].values.front() == 1.0F);
    CHECK(images[1].values.front() == 0.0F);
  }
}

TEST_CASE("restore: a probability follows the trilinear formula of the way back", "[restore]") {
  const GridMapping m = mapping({3, 3, 8}, {{1, 1, 1}, {1, 1, 6}}, {1, 1, 3});
  const LargeVector<float> p{0.0F, 0.25F, 1.0F, 1.0F, 0.75F, 0.0F};  // classes 0 and 1
  const Image one = restore_probability(p, 1, m);
  const std::array<double, 8> want{0, 1, 0.9375, 0.8125, 0.5625, 0.1875, 0, 0};
  for (std::size_t w = 0; w < 8; ++w) {
    CHECK(static_cast<double>(one.values[static_cast<std::size_t>(one.index(1, 1, 0)) + w]) == want[w]);
  }
}

TEST_CASE("restore: a smooth region that was shrunk comes back where it was", "[restore]") {
  const Extent3 full{40, 40, 40};
  const Box box{{4, 4, 4}, {32, 32, 32}};
  const Extent3 small{16, 16, 16};
  const auto ball = [](double d, double h, double w) {
    return 10.0 - std::sqrt((d - 20) * (d - 20) + (h - 18) * (h - 18) + (w - 21) * (w - 21));
  };
  LargeVector<float> p(2 * 16 * 16 * 16);
  for (std::int64_t i = 0; i < 16 * 16 * 16; ++i) {
    const auto centre = [](std::int64_t n) { return 4 + 2 * static_cast<double>(n) + 0.5; };
    p[static_cast<std::size_t>(i + 16 * 16 * 16)] =
        static_cast<float>(ball(centre(i / 256), centre(i / 16 % 16), centre(i % 16)));
  }
  const LabelMap labels = restore_labels(p, mapping(full, box, small));
  std::int64_t wrong = 0;
  for (std::int64_t d = 0; d < 40; ++d) {
    for (std::int64_t h = 0; h < 40; ++h) {
      for (std::int64_t w = 0; w < 40; ++w) {
        const double depth = ball(static_cast<double>(d), static_cast<double>(h), static_cast<double>(w));
        const bool inside = labels.values[static_cast<std::size_t>(labels.index(d, h, w))] == 1;
        wrong += std::abs(depth) > 0.2 && inside != (depth > 0) ? 1 : 0;  // a voxel off would be 1 out
      }
    }
  }
  CHECK(wrong == 0);
}

TEST_CASE("restore: of equal probabilities the lower class wins", "[restore]") {
  const GridMapping m = mapping({1, 1, 3}, {{0, 0, 0}, {1, 1, 3}}, {1, 1, 3});
  const LargeVector<float> p{0.5F, 0.2F, 0.1F, 0.5F, 0.4F, 0.3F, 0.0F, 0.4F, 0.6F};
  CHECK(restore_labels(p, m).values == LargeVector<std::uint8_t>{0, 1, 2});
}

TEST_CASE("restore: of regions the last one above one half decides, nested or not", "[restore]") {
  const GridMapping m = mapping({1, 1, 7}, {{0, 0, 1}, {1, 1, 6}}, {1, 1, 6});
  const LargeVector<float> p{0.9F, 0.9F, 0.9F, 0.5F, 0.1F, 0.2F,   // WT
                             0.1F, 0.6F, 0.7F, 0.5F, 0.8F, 0.3F,   // TC
                             0.2F, 0.5F, 0.8F, 0.5F, 0.0F, 0.6F};  // ET
  CHECK(restore_labels(p, m, 1, Decision::regions).values == LargeVector<std::uint8_t>{0, 2, 1, 3, 0, 1, 3});
  CHECK(restore_labels(p, m, 3, Decision::regions).values == restore_labels(p, m, 1, Decision::regions).values);
  CHECK(restore_probability(p, 0, m, 1, Decision::regions).values[0] == 0);
  CHECK(restore_probability(p, 0, m, 1, Decision::largest).values[0] == 1);
  const LargeVector<float> four(4 * 6, 0.25F);
  CHECK_THROWS_WITH(restore_labels(four, m, 1, Decision::regions),
                    ContainsSubstring("4 probabilities a voxel, wants 3"));
}

TEST_CASE("restore: NaN, a wrong count and a box outside the case are refused", "[restore]") {
  const GridMapping m = mapping({4, 4, 4}, {{0, 0, 0}, {4, 4, 4}}, {2, 2, 2});
  LargeVector<float> p(kFourClasses * 8, 0.25F);
  REQUIRE_NOTHROW(restore_labels(p, m));
  p[17] = std::numeric_limits<float>::quiet_NaN();
  CHECK_THROWS_AS(restore_labels(p, m), NonFiniteError);
  CHECK_THROWS_AS(restore_probability(p, 2, m), NonFiniteError);
  p[17] = 0;
  p.pop_back();
  CHECK_THROWS_AS(restore_labels(p, m), Error);
  p.push_back(0);
  CHECK_THROWS_AS(restore_probability(p, 4, m), Error);
  CHECK_THROWS_AS(restore_labels(p, mapping({4, 4, 4}, {{1, 0, 0}, {4, 4, 4}}, {2, 2, 2})), Error);
}

}  // namespace
}  // namespace vox::test
