#include <algorithm>
#include <cmath>
#include <vector>

#include "data/loading/blur.h"
#include "data/loading/gaussian.h"
#include "data/loading/intensity.h"
#include "data/loading/low_resolution.h"
#include "data/loading/nnunet_augment.h"
#include "data/loading/power.h"
#include "kernels/base/check.h"
#include "tests/support/catch.h"

// Each step on intensities against its formula, voxel by voxel in double.

namespace vox::test {
namespace {

std::size_t at(std::int64_t i) { return static_cast<std::size_t>(i); }

const std::vector<Extent3>& sizes() {
  static const std::vector<Extent3> all{{1, 1, 1}, {1, 1, 7}, {2, 3, 1}, {3, 2, 17}, {8, 9, 10}, {5, 1, 33}};
  return all;
}

enum class Content : std::uint8_t { noise, constant, zero };
constexpr std::array kContents{Content::noise, Content::constant, Content::zero};

std::vector<float> channel_of(const Extent3& size, Content content) {
  std::vector<float> x(at(size[0] * size[1] * size[2]));
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double drawn = 6 * unit(random4({.seed = 3}, i).v[1]) - 2;
    x[i] = content == Content::noise ? static_cast<float>(drawn) : content == Content::constant ? 1.75F : 0.0F;
  }
  return x;
}

using Doubles = std::vector<double>;

Doubles doubles(const std::vector<float>& x) { return {x.begin(), x.end()}; }

void check_close(const std::vector<float>& got, const Doubles& want, double allowed) {
  REQUIRE(got.size() == want.size());
  for (std::size_t i = 0; i < got.size(); ++i) {
    if (!(std::abs(static_cast<double>(got[i]) - want[i]) <= allowed)) {
      FAIL("[" << i << "] is " << got[i] << ", wants " << want[i] << " within " << allowed);
    }
  }
}

/// Calls check(channel, size) with every size and content.
template <class Check> void on_each(const Check& check) {
  for (const Extent3& size : sizes()) {
    for (const Content content : kContents) {
      CAPTURE(size[0], size[1], size[2], static_cast<int>(content));
      check(channel_of(size, content), size);
    }
  }
}

double mean_of(const Doubles& x) {
  double sum = 0;
  for (const double v : x) { sum += v; }
  return sum / static_cast<double>(x.size());
}

double deviation_of(const Doubles& x) {
  double squares = 0;
  for (const double v : x) { squares += (v - mean_of(x)) * (v - mean_of(x)); }
  return x.size() > 1 ? std::sqrt(squares / static_cast<double>(x.size() - 1)) : 0;
}

Doubles gamma_by_formula(Doubles x, double gamma, double sign) {
  for (double& v : x) { v *= sign; }
  const double low = std::ranges::min(x);
  const double range = std::ranges::max(x) - low;
  Doubles y;
  for (const double v : x) { y.push_back(std::pow((v - low) / std::max(range, 1e-7), gamma) * range + low); }
  const double factor = deviation_of(x) / std::max(deviation_of(y), 1e-7);
  Doubles out;
  for (const double v : y) { out.push_back(sign * ((v - mean_of(y)) * factor + mean_of(x))); }
  return out;
}

std::int64_t reflected(std::int64_t i, std::int64_t n) {
  if (n == 1) { return 0; }
  while (i < 0 || i >= n) { i = i < 0 ? -i : 2 * (n - 1) - i; }
  return i;
}

Doubles blur_by_formula(const Doubles& x, const Extent3& n, const std::array<float, 3>& sigma) {
  Doubles now = x;
  const Extent3 stride{n[1] * n[2], n[2], 1};
  for (std::size_t a = 0; a < 3; ++a) {
    const auto s = static_cast<double>(sigma[a]);
    const std::int64_t r = 6 * s + 0.5 < 4 ? 1 : 6 * s + 0.5 < 6 ? 2 : 3;
    Doubles next(now.size());
    for (std::int64_t i = 0; i < std::ssize(now); ++i) {
      const std::int64_t place = i / stride[a] % n[a];
      double sum = 0;
      double weights = 0;
      for (std::int64_t k = -r; k <= r; ++k) {
        const double w = std::exp(-0.5 * static_cast<double>(k * k) / (s * s));
        weights += w;
        sum += w * now[at(i + (reflected(place + k, n[a]) - place) * stride[a])];
      }
      next[at(i)] = sum / weights;
    }
    now = next;
  }
  return now;
}

Doubles low_resolution_by_formula(const Doubles& x, const Extent3& n, double scale) {
  Extent3 m{};
  for (std::size_t a = 0; a < 3; ++a) {
    m[a] = std::max<std::int64_t>(1, std::llrint(static_cast<double>(n[a]) * scale));
  }
  const auto sampled = [&](std::size_t a, std::int64_t i) {  // a voxel of the small volume is one of the large
    return (2 * std::min(i, m[a] - 1) + 1) * n[a] / (2 * m[a]);
  };
  Doubles out;
  for (std::int64_t i = 0; i < std::ssize(x); ++i) {
    const Extent3 o{i / (n[1] * n[2]), i / n[2] % n[1], i % n[2]};
    double sum = 0;
    for (int corner = 0; corner < 8; ++corner) {
      double part = 1;
      std::int64_t from = 0;
      for (std::size_t a = 0; a < 3; ++a) {
        const double ratio = static_cast<double>(m[a]) / static_cast<double>(n[a]);
        const double p = std::max((static_cast<double>(o[a]) + 0.5) * ratio - 0.5, 0.0);
        const bool high = ((corner >> a) & 1) != 0;
        part *= high ? p - std::floor(p) : 1 - (p - std::floor(p));
        from = from * n[a] + sampled(a, static_cast<std::int64_t>(p) + (high ? 1 : 0));
      }
      sum += part * x[at(from)];
    }
    out.push_back(sum);
  }
  return out;
}

}  // namespace

TEST_CASE("augment: brightness is a factor, and contrast one about the mean, clamped to the old range", "[augment]") {
  on_each([](const std::vector<float>& x, const Extent3&) {
    for (const float factor : {0.75F, 1.25F, 0.0F}) {
      std::vector<float> bright = x;
      change_brightness(bright, factor);
      std::vector<float> contrast = x;
      change_contrast(contrast, factor);
      Doubles want_bright = doubles(x);
      Doubles want = doubles(x);
      const double mean = mean_of(want);
      const double low = std::ranges::min(want);
      const double high = std::ranges::max(want);
      for (double& v : want_bright) { v *= static_cast<double>(factor); }
      for (double& v : want) { v = std::clamp((v - mean) * static_cast<double>(factor) + mean, low, high); }
      check_close(bright, want_bright, 8 * 0x1p-24);  // one rounding of values up to 8
      check_close(contrast, want, 4 * 8 * 0x1p-24);   // of mean, difference, product and sum
    }
  });
}

TEST_CASE("augment: gamma is a power of the range, and mean and deviation stay", "[augment]") {
  on_each([](const std::vector<float>& x, const Extent3&) {
    for (const float gamma : {0.7F, 1.5F, 0.1F, 10.0F}) {
      for (const GammaOf of : {GammaOf::image, GammaOf::negated}) {
        std::vector<float> got = x;
        change_gamma(got, gamma, of);
        const Doubles want = gamma_by_formula(doubles(x), static_cast<double>(gamma), of == GammaOf::image ? 1 : -1);
        const double ratio = std::max(1.0, deviation_of(want) / std::max(1e-7, deviation_of(doubles(got))));
        // power() is within 2e-6, times the range of 6; a deviation that shrank to less is stretched again.
        check_close(got, want, 6 * ratio * (2e-6 + 8 * 0x1p-24) * 4);
        CHECK(std::abs(mean_of(doubles(got)) - mean_of(doubles(x))) < 1e-5);
        CHECK(std::abs(deviation_of(doubles(got)) - deviation_of(doubles(x))) < 1e-5);
      }
    }
  });
}

TEST_CASE("augment: power() is within 2e-6 of the exact one, and 0 at 0", "[augment]") {
  for (const float g : {0.1F, 0.7F, 1.0F, 1.5F, 10.0F}) {
    CHECK(power(0, g) == 0);
    CHECK(std::abs(power(1, g) - 1) < 1e-6F);
    for (std::size_t i = 0; i < 4000; ++i) {
      const double u = unit(random4({.seed = 8}, i).v[0]);
      for (const double x : {u, u * u * u * u * u * u, 0x1p-126 * u}) {
        const auto f = static_cast<float>(x);
        const double want = std::pow(static_cast<double>(f), static_cast<double>(g));
        if (!(std::abs(static_cast<double>(power(f, g)) - want) <= (f < 1e-37F ? 2e-4 : 2e-6))) {
          FAIL(f << "^" << g << " is " << power(f, g) << ", wants " << want);
        }
      }
    }
  }
}

TEST_CASE("augment: blur sums neighbours by a Gaussian along each axis, mirrored at the ends", "[augment]") {
  CHECK(blur_weights(0.5).size() == 3);
  CHECK(blur_weights(0.58).size() == 3);
  CHECK(blur_weights(0.59).size() == 5);
  CHECK(blur_weights(0.91).size() == 5);
  CHECK(blur_weights(0.92).size() == 7);
  CHECK(blur_weights(1).size() == 7);
  on_each([](const std::vector<float>& x, const Extent3& size) {
    for (const std::array<float, 3> sigma : {std::array{0.5F, 0.7F, 1.0F}, std::array{0.95F, 0.55F, 0.6F}}) {
      std::vector<float> got = x;
      std::vector<float> scratch;
      blur(got, size, sigma, scratch);
      check_close(got, blur_by_formula(doubles(x), size, sigma), 3 * 8 * 8 * 0x1p-24);  // three sums of up to 7
    }
  });
}

TEST_CASE("augment: low resolution keeps nearest voxels and what lies between them", "[augment]") {
  on_each([](const std::vector<float>& x, const Extent3& size) {
    for (const double scale : {0.5, 0.73, 0.9, 1.0, 0.01}) {
      std::vector<float> got = x;
      std::vector<float> scratch;
      lower_resolution(got, size, scale, scratch);
      check_close(got, low_resolution_by_formula(doubles(x), size, scale), 9 * 8 * 0x1p-24);  // three mixes
    }
  });
}

TEST_CASE("augment: nnU-Net's noise is the same deviation on every voxel of every channel", "[augment]") {
  const Extent3 size{3, 5, 7};
  std::vector<float> image(2 * 105);
  for (std::size_t i = 0; i < image.size(); i += 2) { image[i] = 3; }
  const NnunetAugmentation a{.noise_sigma = 0.25F, .noise_group = 9, .noise = {.seed = 4}, .channels = {{}, {}}};
  std::vector<float> normal(image.size());
  gaussian(a.noise, a.noise_group, normal);
  std::vector<float> got = image;
  std::vector<float> scratch;
  change_intensities(a, size, got, scratch);
  Doubles want;
  for (std::size_t i = 0; i < image.size(); ++i) {
    want.push_back(static_cast<double>(image[i]) + 0.25 * static_cast<double>(normal[i]));
  }
  check_close(got, want, 2 * 8 * 0x1p-24);
  CHECK_THROWS_WITH(change_intensities({.channels = {{}}}, size, got, scratch), ContainsSubstring("of 1 channels"));
}

TEST_CASE("augment: steps on intensities come in nnU-Net's order, each channel by its own draw", "[augment]") {
  const Extent3 size{4, 5, 9};
  const NnunetAugmentation a{.channels = {{},
                                          {.blur_sigma = {0.6F, 0.7F, 0.8F},
                                           .brightness = 1.2F,
                                           .contrast = 0.8F,
                                           .resolution = 0.6,
                                           .gamma_negated = 1.3F,
                                           .gamma = 0.8F}}};
  const std::vector<float> x = channel_of(size, Content::noise);
  std::vector<float> image = x;
  image.insert(image.end(), x.begin(), x.end());
  std::vector<float> scratch;
  change_intensities(a, size, image, scratch);
  CHECK(std::equal(x.begin(), x.end(), image.begin()));
  Doubles want = blur_by_formula(doubles(x), size, a.channels[1].blur_sigma);
  for (double& v : want) { v *= 1.2; }
  const double mean = mean_of(want);
  const double low = std::ranges::min(want);
  const double high = std::ranges::max(want);
  for (double& v : want) { v = std::clamp((v - mean) * 0.8 + mean, low, high); }
  want = low_resolution_by_formula(want, size, 0.6);
  want = gamma_by_formula(gamma_by_formula(want, 1.3, -1), 0.8, 1);
  check_close({image.begin() + std::ssize(x), image.end()}, want, 1e-4);
}

TEST_CASE("augment: what is outside the brain is marked, and made 0 again", "[augment]") {
  std::vector<float> image{0, 1, 0, 0, 0, 0, 2, 0};  // two channels of four voxels
  std::vector<std::uint8_t> label{0, 0, 2, 3};
  mark_outside(image, label);
  CHECK(label == std::vector<std::uint8_t>{0, 1, 3, 4});  // the last is labelled, though nothing is seen there
  std::ranges::fill(image, 5.0F);
  clear_outside(image, label);
  CHECK(label == std::vector<std::uint8_t>{0, 0, 2, 3});
  CHECK(image == std::vector<float>{0, 5, 5, 5, 0, 5, 5, 5});
}

}  // namespace vox::test
