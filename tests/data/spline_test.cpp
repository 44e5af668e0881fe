#include "data/prepare/spline.h"

#include <algorithm>
#include <cmath>

#include "data/cases/label_convention.h"
#include "data/prepare/resample.h"
#include "engine/safetensors.h"
#include "kernels/base/check.h"
#include "kernels/base/philox.h"
#include "tests/support/catch.h"

namespace vox::test {
namespace {

std::size_t at(std::int64_t i) { return static_cast<std::size_t>(i); }

LargeVector<float> scattered(const Extent3& e, std::uint64_t seed) {
  LargeVector<float> v(at(e[0] * e[1] * e[2]));
  for (std::size_t i = 0; i < v.size(); ++i) {
    v[i] = static_cast<float>(2000 * unit(random4({.seed = seed}, i).v[0]) - 1000);
  }
  return v;
}

/// B3, the cubic B-spline about 0.
double basis(double x) {
  const double a = std::abs(x);
  if (a >= 2) { return 0; }
  return a < 1 ? 2.0 / 3 - a * a + a * a * a / 2 : (2 - a) * (2 - a) * (2 - a) / 6;
}

/// What resizes one axis, as a dense matrix [out][in]: the coefficients of every unit sample are solved for by Thomas'
/// algorithm on a line that goes on by kBeyond edge values at either side, behind which nothing is felt.
std::vector<std::vector<double>> spline_matrix(std::int64_t in, std::int64_t out) {
  constexpr std::int64_t kBeyond = 40;
  const std::int64_t n = in + 2 * kBeyond;
  std::vector<std::vector<double>> matrix(at(out), std::vector<double>(at(in)));
  for (std::int64_t unit_at = 0; unit_at < in; ++unit_at) {
    std::vector<double> upper(at(n));
    std::vector<double> c(at(n));
    for (std::int64_t i = 0; i < n; ++i) {  // (c[i-1] + 4 c[i] + c[i+1]) / 6 = s[i], c = s at the far ends
      const bool one = std::clamp<std::int64_t>(i - kBeyond, 0, in - 1) == unit_at;
      const bool end = i == 0 || i == n - 1;
      const double below = end ? 0 : 1.0 / 6;
      const double pivot = (end ? 1 : 4.0 / 6) - (i > 0 ? below * upper[at(i - 1)] : 0);
      upper[at(i)] = (end ? 0 : 1.0 / 6) / pivot;
      c[at(i)] = ((one ? 1 : 0) - (i > 0 ? below * c[at(i - 1)] : 0)) / pivot;
    }
    for (std::int64_t i = n - 2; i >= 0; --i) { c[at(i)] -= upper[at(i)] * c[at(i + 1)]; }
    for (std::int64_t o = 0; o < out; ++o) {
      const double x = (static_cast<double>(o) + 0.5) * static_cast<double>(in) / static_cast<double>(out) - 0.5;
      for (std::int64_t i = 0; i < n; ++i) {
        matrix[at(o)][at(unit_at)] += c[at(i)] * basis(x - static_cast<double>(i - kBeyond));
      }
    }
  }
  return matrix;
}

struct Sizes {
  Extent3 from;
  Box box;
  Extent3 to;
};

TEST_CASE("spline: an image is the cubic spline through its voxels, clamped to their range, for any box and size",
          "[resample]") {
  for (const Sizes& s :
       {Sizes{{5, 7, 9}, {{0, 0, 0}, {5, 7, 9}}, {10, 3, 11}}, Sizes{{5, 7, 21}, {{1, 2, 1}, {3, 4, 18}}, {4, 9, 7}},
        Sizes{{1, 2, 3}, {{0, 0, 0}, {1, 2, 3}}, {3, 1, 2}}, Sizes{{6, 5, 4}, {{5, 4, 3}, {1, 1, 1}}, {2, 2, 2}}}) {
    const LargeVector<float> in = scattered(s.from, 7);
    const LargeVector<float> got = resize_cubic(in, s.from, s.box, s.to);
    REQUIRE(got.size() == at(s.to[0] * s.to[1] * s.to[2]));
    const auto md = spline_matrix(s.box.size[0], s.to[0]);
    const auto mh = spline_matrix(s.box.size[1], s.to[1]);
    const auto mw = spline_matrix(s.box.size[2], s.to[2]);
    const LargeVector<float> cut = resize_trilinear(in, s.from, s.box, s.box.size);
    const auto [low, high] = std::ranges::minmax(cut);
    std::size_t clamped = 0;
    for (std::size_t o = 0; o < got.size(); ++o) {
      const auto w = o % at(s.to[2]);
      const auto h = o / at(s.to[2]) % at(s.to[1]);
      const auto d = o / at(s.to[2]) / at(s.to[1]);
      double want = 0;
      for (std::size_t i = 0; i < cut.size(); ++i) {
        const auto iw = i % at(s.box.size[2]);
        const auto ih = i / at(s.box.size[2]) % at(s.box.size[1]);
        want += md[d][i / at(s.box.size[2]) / at(s.box.size[1])] * mh[h][ih] * mw[w][iw] * static_cast<double>(cut[i]);
      }
      clamped += want < static_cast<double>(low) || want > static_cast<double>(high) ? 1 : 0;
      want = std::clamp(want, static_cast<double>(low), static_cast<double>(high));
      // Three roundings to f32 of values up to 1000 times 1.46 per axis, the largest sum of magnitudes of the weights,
      // and one of 40 samples beyond the ends: 0.27^40 is nothing.
      if (!(std::abs(static_cast<double>(got[o]) - want) <= 3 * 1000 * 1.46 * 1.46 * 1.46 * 0x1p-24)) {
        FAIL("voxel " << o << " is " << got[o] << ", wants " << want);
      }
    }
    if (got.size() > 50) { CHECK(clamped > 0); }
    CHECK(resize_cubic(in, s.from, s.box, s.to, 3) == got);
  }
}

TEST_CASE("spline: images and labels are those of scikit-image, which nnU-Net calls", "[resample]") {
  const SafetensorsFile golden(VOX_SOURCE_DIR "/tests/golden/spline.safetensors");
  const auto extent = [&](const std::string& name) {
    const std::vector<std::int64_t>& s = golden.tensor(name).shape;
    return Extent3{s[s.size() - 3], s[s.size() - 2], s[s.size() - 1]};
  };
  for (int i = 0; i < 4; ++i) {
    const std::string n = std::to_string(i);
    const Extent3 from = extent("image." + n);
    const Extent3 to = extent("image_resized." + n);
    const std::vector<double> plain = golden.read<double>("image." + n);
    LargeVector<float> image(plain.size());
    std::ranges::transform(plain, image.begin(), [](double x) { return static_cast<float>(x); });
    const LargeVector<float> got = resize_cubic(image, from, {{0, 0, 0}, from}, to);
    const std::vector<double> want = golden.read<double>("image_resized." + n);
    REQUIRE(got.size() == want.size());
    for (std::size_t v = 0; v < want.size(); ++v) {  // SciPy pads by 12 voxels: 0.27^12 of 4, beside f32's roundings
      if (!(std::abs(static_cast<double>(got[v]) - want[v]) <= 4e-6)) {
        FAIL("image " << n << " voxel " << v << " is " << got[v] << ", wants " << want[v]);
      }
    }
    const std::vector<std::uint8_t> label = golden.read<std::uint8_t>("label." + n);
    const LargeVector<std::uint8_t> classes = resize_classes(label, from, {{0, 0, 0}, from}, to);
    const std::vector<double> shares = golden.read<double>("shares." + n);
    REQUIRE(shares.size() == kClasses * classes.size());
    for (std::size_t v = 0; v < classes.size(); ++v) {
      for (std::size_t c = 0; c < kClasses; ++c) {  // none is greater, and none lower is as great: but for roundings
        const double lead = shares[classes[v] * classes.size() + v] - shares[c * classes.size() + v];
        if (!(lead >= -1e-6)) { FAIL("label " << n << " voxel " << v << " is " << int{classes[v]} << ", not " << c); }
      }
    }
  }
}

TEST_CASE("spline: of classes with equal shares the lower one is taken, and an unchanged size copies", "[resample]") {
  const LargeVector<std::uint8_t> row{3, 1, 1, 2};
  CHECK(resize_classes(row, {1, 1, 4}, {{0, 0, 0}, {1, 1, 4}}, {1, 1, 2}) == LargeVector<std::uint8_t>{1, 1});
  CHECK(resize_classes(row, {1, 1, 4}, {{0, 0, 0}, {1, 1, 4}}, {1, 1, 8}) ==
        LargeVector<std::uint8_t>{3, 3, 1, 1, 1, 1, 2, 2});
  CHECK(resize_classes(row, {1, 1, 4}, {{0, 0, 1}, {1, 1, 3}}, {1, 1, 3}) == LargeVector<std::uint8_t>{1, 1, 2});
  const LargeVector<float> image = scattered({3, 4, 5}, 3);
  CHECK(resize_cubic(image, {3, 4, 5}, {{0, 0, 0}, {3, 4, 5}}, {3, 4, 5}) == image);
  CHECK_THROWS_AS(resize_cubic(image, {3, 4, 5}, {{0, 0, 1}, {3, 4, 5}}, {3, 4, 5}), Error);
  CHECK_THROWS_AS(resize_cubic(image, {3, 4, 5}, {{0, 0, 0}, {3, 4, 5}}, {3, 0, 5}), Error);
  CHECK_THROWS_AS(resize_classes(LargeVector<std::uint8_t>{4}, {1, 1, 1}, {{0, 0, 0}, {1, 1, 1}}, {2, 1, 1}), Error);
}

}  // namespace
}  // namespace vox::test
