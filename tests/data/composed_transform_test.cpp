#include "data/loading/composed_transform.h"

#include <cmath>
#include <vector>

#include "data/loading/elastic_field.h"
#include "data/loading/nnunet_augment.h"
#include "kernels/base/check.h"
#include "tests/support/catch.h"

namespace vox::test {
namespace {

std::size_t at(std::int64_t i) { return static_cast<std::size_t>(i); }

using Point = std::array<double, 3>;

/// B(t) of the uniform cubic B-spline.
double spline(double t) {
  t = std::abs(t);
  if (t < 1) { return (4 - 6 * t * t + 3 * t * t * t) / 6; }
  return t < 2 ? (2 - t) * (2 - t) * (2 - t) / 6 : 0;
}

/// u at a voxel, by the sum over all control points.
Point displacement(const Extent3& size, double voxels, const RandomKey& key, std::uint64_t group, const Extent3& x) {
  Extent3 n{};
  for (std::size_t a = 0; a < 3; ++a) { n[a] = (size[a] - 1) / 32 + 4; }
  Point u{};
  for (std::int64_t i = 0; i < n[0] * n[1] * n[2]; ++i) {
    const Extent3 k{i / (n[1] * n[2]) - 1, i / n[2] % n[1] - 1, i % n[2] - 1};
    double weight = 1;
    for (std::size_t a = 0; a < 3; ++a) {
      weight *= spline(static_cast<double>(x[a]) / 32 - static_cast<double>(k[a]));
    }
    const Philox4 bits = random4(key, group + static_cast<std::uint64_t>(i));
    for (std::size_t a = 0; a < 3; ++a) { u[a] += weight * (2 * unit(bits.v[a]) - 1) * voxels; }
  }
  return u;
}

/// p(o), as the header has it.
Point source(const ComposedTransform& t, const Extent3& o) {
  Extent3 m{};
  for (std::size_t a = 0; a < 3; ++a) { m[a] = t.change.mirror[a] ? t.size[a] - 1 - o[a] : o[a]; }
  Point u{};
  if (t.change.elastic_voxels > 0) {
    u = displacement(t.size, t.change.elastic_voxels, t.change.elastic, t.change.elastic_group, m);
  }
  Point p = t.centre;
  for (std::size_t a = 0; a < 3; ++a) {
    for (std::size_t i = 0; i < 3; ++i) {
      p[a] +=
          t.change.matrix[3 * a + i] * (static_cast<double>(m[i]) - 0.5 * static_cast<double>(t.size[i] - 1) + u[i]);
    }
  }
  return p;
}

struct Case {
  Extent3 size{};
  std::size_t channels = 1;
  std::vector<float> image{};
  std::vector<std::uint8_t> marks{};

  [[nodiscard]] std::int64_t index(const Extent3& v) const {
    for (std::size_t a = 0; a < 3; ++a) {
      if (v[a] < 0 || v[a] >= size[a]) { return -1; }
    }
    return (v[0] * size[1] + v[1]) * size[2] + v[2];
  }
  /// The part in a box, which lies inside.
  [[nodiscard]] Case cut(const Box& box) const {
    Case part{.size = box.size, .channels = channels};
    for (std::size_t c = 0; c <= channels; ++c) {
      for (std::int64_t i = 0; i < box.size[0] * box.size[1] * box.size[2]; ++i) {
        const std::int64_t from = index({box.start[0] + i / (box.size[1] * box.size[2]),
                                         box.start[1] + i / box.size[2] % box.size[1], box.start[2] + i % box.size[2]});
        REQUIRE(from >= 0);
        if (c == channels) {
          part.marks.push_back(marks[at(from)]);
        } else {
          part.image.push_back(image[c * marks.size() + at(from)]);
        }
      }
    }
    return part;
  }
};

Case noise(const Extent3& size, std::size_t channels) {
  Case c{.size = size, .channels = channels};
  const auto voxels = static_cast<std::uint64_t>(size[0] * size[1] * size[2]);
  for (std::uint64_t i = 0; i < voxels; ++i) {
    c.marks.push_back(static_cast<std::uint8_t>(random4({.seed = 5}, i / 3).v[0] % 5));
  }
  for (std::uint64_t i = 0; i < channels * voxels; ++i) {
    c.image.push_back(static_cast<float>(unit(random4({.seed = 6}, i).v[0])));
  }
  return c;
}

struct Made {
  std::vector<float> image;
  std::vector<std::uint8_t> marks;
};

Made made(const Case& whole, const ComposedTransform& t) {
  const Box box = box_needed(t, whole.size);
  const Case part = whole.cut(box);
  const std::size_t voxels = at(t.size[0] * t.size[1] * t.size[2]);
  Made m{std::vector<float>(voxels * whole.channels, -1), std::vector<std::uint8_t>(voxels, 255)};
  sample_box(part.image, part.marks, box, t, m.image, m.marks);
  return m;
}

/// The documented map, voxel by voxel of the whole case in double: a box that is too small shows.
void check_against_formula(const Case& whole, const ComposedTransform& t) {
  const Made got = made(whole, t);
  std::int64_t compared = 0;
  for (std::int64_t i = 0; i < std::ssize(got.marks); ++i) {
    const Extent3 o{i / (t.size[1] * t.size[2]), i / t.size[2] % t.size[1], i % t.size[2]};
    const Point p = source(t, o);
    std::vector<double> want(whole.channels);
    std::array<double, 5> weights{};
    for (int corner = 0; corner < 8; ++corner) {
      double part = 1;
      Extent3 v{};
      for (std::size_t a = 0; a < 3; ++a) {
        const double low = std::floor(p[a]);
        const bool high = ((corner >> a) & 1) != 0;
        part *= high ? p[a] - low : 1 - (p[a] - low);
        v[a] = static_cast<std::int64_t>(low) + (high ? 1 : 0);
      }
      const std::int64_t from = whole.index(v);
      weights[from < 0 ? 0 : whole.marks[at(from)]] += part;
      for (std::size_t c = 0; from >= 0 && c < whole.channels; ++c) {
        want[c] += part * static_cast<double>(whole.image[c * whole.marks.size() + at(from)]);
      }
    }
    // Points are floats of up to 64, some 8 roundings from the exact ones; values are within [0,1] of each other.
    constexpr double kPoint = 8 * 64 * 0x1p-24;
    for (std::size_t c = 0; c < whole.channels; ++c) {
      const auto value = static_cast<double>(got.image[c * got.marks.size() + at(i)]);
      if (!(std::abs(value - want[c]) <= 3 * kPoint + 8 * 0x1p-24)) {
        FAIL("channel " << c << " voxel " << i << " is " << value << ", wants " << want[c]);
      }
    }
    const auto first = static_cast<std::size_t>(std::ranges::max_element(weights) - weights.begin());
    double second = 0;
    for (std::size_t k = 0; k < weights.size(); ++k) { second = k == first ? second : std::max(second, weights[k]); }
    if (weights[first] - second > 6 * kPoint) {
      ++compared;
      if (got.marks[at(i)] != first) { FAIL("mark " << i << " is " << int{got.marks[at(i)]} << ", wants " << first); }
    }
  }
  CHECK(compared * 10 >= std::ssize(got.marks) * 9);
}

ComposedTransform transform_of(const Extent3& patch, const Point& centre, std::uint32_t position, double elastic) {
  NnunetOptions o;
  o.rotate.probability = position % 3 == 0 ? 0 : 1;
  o.scale.probability = position % 3 == 1 ? 0 : 1;
  o.elastic = {.low = elastic, .high = elastic, .probability = 1};
  return {.change = draw_nnunet(o, {.seed = 7, .epoch = 1, .position = position}, 1).spatial,
          .size = patch,
          .centre = centre};
}

}  // namespace

TEST_CASE("augment: rotation, scale, field, mirror and place are one map, and its box is large enough", "[augment]") {
  for (const auto& [whole, patch] :
       {std::pair{Extent3{21, 18, 23}, Extent3{7, 6, 9}}, std::pair{Extent3{9, 30, 5}, Extent3{4, 11, 8}},
        std::pair{Extent3{1, 1, 1}, Extent3{2, 1, 3}}, std::pair{Extent3{12, 12, 12}, Extent3{1, 1, 1}},
        std::pair{Extent3{6, 7, 50}, Extent3{3, 3, 41}}}) {
    const Case c = noise(whole, 2);
    for (std::uint32_t position = 0; position < 8; ++position) {
      const Point centre{0.5 * static_cast<double>(whole[0]), 0.3 * static_cast<double>(whole[1]),
                         0.6 * static_cast<double>(whole[2])};
      CAPTURE(whole[0], whole[1], whole[2], position);
      check_against_formula(c, transform_of(patch, centre, position, position % 2 == 0 ? 0 : 4));
    }
  }
}

TEST_CASE("augment: rows longer than the spacing of the elastic field follow its formula", "[augment]") {
  const Case c = noise({3, 40, 70}, 1);
  check_against_formula(c, transform_of({2, 35, 67}, {1, 20, 35}, 6, 12));
}

TEST_CASE("augment: no displacement of an elastic field exceeds its magnitude, and neighbours keep their order",
          "[augment]") {
  const Extent3 size{40, 33, 70};
  const ElasticField field(size, kMostElasticVoxels, {.seed = 2, .step = 1}, 100);
  std::array<std::vector<float>, 3> u;
  for (auto& along : u) { along.resize(at(size[2])); }
  float most = 0;
  float least_step = 1;
  for (std::int64_t d = 0; d < size[0]; d += 3) {
    for (std::int64_t h = 0; h < size[1]; h += 3) {
      field.row(d, h, u);
      for (const auto& along : u) {
        for (const float x : along) { most = std::max(most, std::abs(x)); }
      }
      for (std::size_t w = 1; w < u[2].size(); ++w) { least_step = std::min(least_step, 1 + u[2][w] - u[2][w - 1]); }
    }
  }
  CHECK(most <= 12);
  CHECK(most > 2);
  CHECK(least_step > 0);
}

TEST_CASE("augment: a ramp turned by 30 degrees has no zero where its case has data", "[augment]") {
  Case c{.size = {40, 44, 36}};
  for (std::int64_t i = 0; i < 40 * 44 * 36; ++i) {
    c.image.push_back(static_cast<float>(1 + i / (44 * 36) + i / 36 % 44 + i % 36));
    c.marks.push_back(1);
  }
  ComposedTransform t{.size = {16, 16, 16}, .centre = {19.5, 21.5, 17.5}};
  t.change.turned_or_scaled = true;
  t.change.matrix = matrix_product(turn(0, 1, 30), turn(1, 2, 30));
  for (const std::int64_t n : box_needed(t, c.size).size) { CHECK(n > 16); }
  const Made m = made(c, t);
  for (std::int64_t i = 0; i < 4096; ++i) {
    const Point p = source(t, {i / 256, i / 16 % 16, i % 16});
    const double want = 1 + p[0] + p[1] + p[2];
    if (!(std::abs(static_cast<double>(m.image[at(i)]) - want) < 1e-3) || m.marks[at(i)] != 1) { FAIL("voxel " << i); }
  }
}

TEST_CASE("augment: of two marks that weigh the same the lower one is taken", "[augment]") {
  const Case c{.size = {1, 1, 2}, .image = {1, 1}, .marks = {3, 2}};
  ComposedTransform t{.size = {1, 1, 1}, .centre = {0, 0, 0.5}};
  CHECK(made(c, t).marks[0] == 2);
  t.centre = {0, 0, 0.25};
  CHECK(made(c, t).marks[0] == 3);
  t.centre = {0, 0.5, 0};  // half of it lies outside
  CHECK(made(c, t).marks[0] == 0);
  std::vector<float> image(2);
  std::vector<std::uint8_t> marks(1);
  CHECK_THROWS_WITH(sample_box(c.image, c.marks, {{}, {1, 1, 1}}, t, image, marks), ContainsSubstring("box 1x1x1"));
}

}  // namespace vox::test
