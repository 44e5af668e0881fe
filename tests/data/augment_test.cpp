#include "data/loading/augment.h"

#include <cmath>
#include <numeric>

#include "data/loading/gaussian.h"
#include "kernels/base/check.h"
#include "tests/support/catch.h"

namespace vox::test {
namespace {

std::size_t at(std::int64_t i) { return static_cast<std::size_t>(i); }

struct Case {
  Extent3 size;
  std::size_t channels;
  std::vector<float> image;
  std::vector<std::uint8_t> label;
};

/// A label in the middle with values 1..3, and an image whose channel c holds (c + 1) * label.
Case derived(const Extent3& size, std::size_t channels) {
  Case c{size, channels, {}, std::vector<std::uint8_t>(at(size[0] * size[1] * size[2]))};
  for (std::size_t i = 0; i < c.label.size(); ++i) {
    c.label[i] = static_cast<std::uint8_t>(1 + random4({.seed = 9}, i).v[0] % 3);
  }
  for (std::size_t k = 0; k < channels; ++k) {
    for (const std::uint8_t l : c.label) { c.image.push_back(static_cast<float>(k + 1) * static_cast<float>(l)); }
  }
  return c;
}

Case augmented(const Case& in, const AugmentOptions& options, const SampleKey& key) {
  Case out = in;
  std::fill(out.image.begin(), out.image.end(), -1.0F);
  std::fill(out.label.begin(), out.label.end(), std::uint8_t{255});
  augment(in.image, in.label, in.size, draw_augmentation(options, key, in.channels), out.image, out.label);
  return out;
}

AugmentOptions only_moves(double flip, double shift, std::int64_t shift_voxels) {
  AugmentOptions o = AugmentOptions::none();
  o.flip_probability = flip;
  o.shift_probability = shift;
  o.shift_voxels = shift_voxels;
  return o;
}

/// The documented formula, voxel by voxel in double.
void check_against_formula(const Case& in, const Case& out, const Movement& m) {
  const auto& n = in.size;
  const auto read = [&](std::size_t c, std::int64_t d, std::int64_t h, std::int64_t w) {
    if (d < 0 || h < 0 || w < 0 || d >= n[0] || h >= n[1] || w >= n[2]) { return 0.0; }
    return static_cast<double>(in.image[c * in.label.size() + at((d * n[1] + h) * n[2] + w)]);
  };
  std::size_t o = 0;
  for (std::int64_t d = 0; d < n[0]; ++d) {
    for (std::int64_t h = 0; h < n[1]; ++h) {
      for (std::int64_t w = 0; w < n[2]; ++w, ++o) {
        const std::array<std::int64_t, 3> place{d, h, w};
        std::array<double, 3> q{};
        for (std::size_t i = 0; i < 3; ++i) {
          const std::int64_t moved = place[i] - m.shift[i];
          q[i] = static_cast<double>(m.flip[i] ? n[i] - 1 - moved : moved) - 0.5 * static_cast<double>(n[i] - 1);
        }
        std::array<std::int64_t, 3> low{};
        std::array<double, 3> weight{};
        double edge = 1;  // how far the point is from where the nearest voxel changes
        std::int64_t nearest = 0;
        bool inside = true;
        for (std::size_t i = 0; i < 3; ++i) {
          const double p = m.rotation[i] * q[0] + m.rotation[3 + i] * q[1] + m.rotation[6 + i] * q[2] +
                           0.5 * static_cast<double>(n[i] - 1);
          low[i] = static_cast<std::int64_t>(std::floor(p));
          weight[i] = p - std::floor(p);
          const auto near = static_cast<std::int64_t>(std::floor(p + 0.5));
          edge = std::min(edge, std::abs(weight[i] - 0.5));
          inside = inside && near >= 0 && near < n[i];
          nearest = nearest * n[i] + near;
        }
        for (std::size_t c = 0; c < in.channels; ++c) {
          double want = 0;
          for (int corner = 0; corner < 8; ++corner) {
            double part = 1;
            std::array<std::int64_t, 3> v = low;
            for (std::size_t i = 0; i < 3; ++i) {
              const bool high = ((corner >> i) & 1) != 0;
              part *= high ? weight[i] : 1 - weight[i];
              v[i] += high ? 1 : 0;
            }
            want += part * read(c, v[0], v[1], v[2]);
          }
          // Coordinates of at most 32 in float, off by some 4 roundings, times slopes of at most 12 along each axis.
          const double allowed = 3 * 12 * 4 * 32 * 0x1p-24;
          const double got = static_cast<double>(out.image[c * in.label.size() + o]);
          if (!(std::abs(got - want) <= allowed)) {
            FAIL("channel " << c << " [" << d << "," << h << "," << w << "] is " << got << ", wants " << want);
          }
        }
        const int want_label = inside ? in.label[at(nearest)] : 0;
        if (edge > 1e-4 && out.label[o] != want_label) {
          FAIL("label [" << d << "," << h << "," << w << "] is " << int{out.label[o]} << ", wants " << want_label);
        }
      }
    }
  }
}

TEST_CASE("augment: flips, shifts and rotations follow their formula, image and label alike", "[augment]") {
  AugmentOptions all_moves = only_moves(0.5, 0.7, 4);
  all_moves.rotate_probability = 0.7;
  for (const Extent3& size : {Extent3{6, 7, 8}, Extent3{9, 5, 12}, Extent3{1, 1, 1}, Extent3{2, 3, 17}}) {
    const Case in = derived(size, 3);
    for (std::uint32_t position = 0; position < 40; ++position) {
      const SampleKey key{.seed = 5, .epoch = 2, .position = position};
      CAPTURE(size[0], size[1], size[2], position);
      check_against_formula(in, augmented(in, all_moves, key), draw_augmentation(all_moves, key, 3).movement);
    }
  }
}

TEST_CASE("augment: without a rotation the image still is the label, voxel for voxel", "[augment]") {
  const Case in = derived({8, 9, 10}, 2);
  bool moved = false;
  for (std::uint32_t position = 0; position < 50; ++position) {
    const Case out = augmented(in, only_moves(0.5, 0.5, 11), {.seed = 1, .epoch = 0, .position = position});
    for (std::size_t i = 0; i < out.label.size(); ++i) {
      if (out.image[i] != static_cast<float>(out.label[i]) ||
          out.image[out.label.size() + i] != 2.0F * static_cast<float>(out.label[i])) {
        FAIL("voxel " << i << " of sample " << position);
      }
    }
    moved = moved || out.label != in.label;
  }
  CHECK(moved);
}

TEST_CASE("augment: with a rotation a label-derived image stays on its label", "[augment]") {
  Case in{{24, 24, 24}, 1, std::vector<float>(13824), std::vector<std::uint8_t>(13824)};
  for (std::int64_t i = 0; i < 13824; ++i) {
    const bool inside = std::abs(i / 576 - 9) < 5 && std::abs(i / 24 % 24 - 13) < 6 && std::abs(i % 24 - 11) < 4;
    in.label[at(i)] = inside ? 3 : 0;
    in.image[at(i)] = inside ? 1.0F : 0.0F;
  }
  AugmentOptions options = only_moves(0.5, 0.5, 3);
  options.rotate_probability = 1;
  for (std::uint32_t position = 0; position < 20; ++position) {
    const Case out = augmented(in, options, {.seed = 4, .epoch = 1, .position = position});
    int together = 0;
    int apart = 0;
    for (std::size_t i = 0; i < out.label.size(); ++i) {
      const bool bright = out.image[i] > 0.5F;
      together += bright && out.label[i] == 3 ? 1 : 0;
      apart += bright != (out.label[i] == 3) ? 1 : 0;
    }
    CHECK(together > 200);
    CHECK(apart < together / 8);  // only voxels that an edge runs through
  }
}

TEST_CASE("augment: a sample's numbers depend on its key alone, and each part of the key counts", "[augment]") {
  const Case in = derived({8, 8, 8}, 4);
  const AugmentOptions all;
  const auto run = [&](std::uint64_t seed, std::uint32_t epoch, std::uint32_t position) {
    return augmented(in, all, {seed, epoch, position}).image;
  };
  int different = 0;
  for (std::uint32_t i = 0; i < 10; ++i) {
    CHECK(run(1, 1, i) == run(1, 1, i));
    different += (run(1, 1, i) != run(2, 1, i)) + (run(1, 1, i) != run(1, 2, i)) + (run(1, 1, i) != run(1, 1, i + 1));
  }
  CHECK(different >= 28);  // the same flips twice and nothing else happens by chance
}

TEST_CASE("augment: each thing happens as often as its probability says, within its magnitude", "[augment]") {
  const AugmentOptions o;
  constexpr std::uint32_t kSamples = 4000;
  std::array<double, 5> happened{};
  double furthest = 0;
  double angle = 0;
  for (std::uint32_t i = 0; i < kSamples; ++i) {
    const Augmentation a = draw_augmentation(o, {.seed = 7, .epoch = 3, .position = i}, 1);
    const Movement& m = a.movement;
    happened[0] += m.flip[0];
    happened[1] += m.rotated;
    happened[2] += m.shift != Extent3{};
    happened[3] += !a.intensity.empty();
    happened[4] += a.noise_sigma > 0;
    for (const std::int64_t s : m.shift) { furthest = std::max(furthest, std::abs(static_cast<double>(s))); }
    CHECK(static_cast<double>(a.noise_sigma) <= o.noise_sigma);
    const double trace = m.rotation[0] + m.rotation[4] + m.rotation[8];
    angle = std::max(angle, std::acos(std::min(1.0, (trace - 1) / 2)) * 57.29577951308232);
  }
  const std::array<double, 5> wants{o.flip_probability, o.rotate_probability, o.shift_probability,
                                    o.intensity_probability, o.noise_probability};
  for (std::size_t i = 0; i < wants.size(); ++i) {
    CHECK(std::abs(happened[i] / kSamples - wants[i]) < 5 * std::sqrt(0.25 / kSamples));  // five deviations
  }
  CHECK(furthest == static_cast<double>(o.shift_voxels));
  CHECK(angle > o.rotate_degrees);  // three turns together exceed each
  CHECK(angle < 3 * o.rotate_degrees);
}

TEST_CASE("augment: intensity is one line per channel, and the background stays zero", "[augment]") {
  Case in = derived({4, 5, 6}, 3);
  for (std::size_t i = 0; i < in.image.size(); i += 3) { in.image[i] = 0; }
  AugmentOptions o = AugmentOptions::none();
  o.intensity_probability = 1;
  const Case out = augmented(in, o, {.seed = 3, .epoch = 0, .position = 8});
  CHECK(out.label == in.label);
  std::vector<double> scales;
  for (std::size_t c = 0; c < 3; ++c) {
    const auto value = [&](const Case& k, double want) {
      for (std::size_t i = c * 120; i < (c + 1) * 120; ++i) {
        if (static_cast<double>(in.image[i]) == want * static_cast<double>(c + 1)) {
          return static_cast<double>(k.image[i]);
        }
      }
      return std::nan("");
    };
    const double scale = (value(out, 3) - value(out, 1)) / (value(in, 3) - value(in, 1));
    const double offset = value(out, 1) - scale * value(in, 1);
    scales.push_back(scale);
    CHECK(std::abs(scale - 1) < 0.6);
    for (std::size_t i = c * 120; i < (c + 1) * 120; ++i) {
      const auto x = static_cast<double>(in.image[i]);
      const double want = x == 0 ? 0 : x * scale + offset;
      if (!(std::abs(static_cast<double>(out.image[i]) - want) <= 1e-5)) { FAIL("channel " << c << " voxel " << i); }
    }
  }
  CHECK(scales[0] != scales[1]);
  CHECK(scales[1] != scales[2]);
}

TEST_CASE("augment: noise has the deviation that was drawn, is new in each voxel, and spares the background",
          "[augment]") {
  Case in{{32, 32, 33}, 2, std::vector<float>(2 * 32 * 32 * 33, 5.0F), std::vector<std::uint8_t>(32 * 32 * 33)};
  in.image[17] = 0;
  AugmentOptions o = AugmentOptions::none();
  o.noise_probability = 1;
  const SampleKey key{.seed = 3, .epoch = 4, .position = 5};
  const auto sigma = static_cast<double>(draw_augmentation(o, key, 2).noise_sigma);
  const Case out = augmented(in, o, key);
  CHECK(out.image[17] == 0.0F);
  double sum = 0;
  double squares = 0;
  double neighbours = 0;
  const auto n = static_cast<double>(out.image.size());
  for (std::size_t i = 18; i < out.image.size(); ++i) {
    const double x = (static_cast<double>(out.image[i]) - 5) / sigma;
    sum += x;
    squares += x * x;
    neighbours += x * (static_cast<double>(out.image[i - 1]) - 5 * (i > 18)) / sigma;
  }
  CHECK(std::abs(sum / n) < 5 / std::sqrt(n));
  CHECK(std::abs(squares / n - 1) < 5 * std::sqrt(2 / n) + 1e-3);
  CHECK(std::abs(neighbours / n) < 5 / std::sqrt(n) + 1e-3);
}

TEST_CASE("gaussian: every number is Box and Muller's of its Philox bits, whatever the length asked for", "[augment]") {
  const RandomKey key{.seed = 11, .step = 2, .place = 3};
  std::vector<float> got(1003);
  gaussian(key, 77, got);
  for (std::size_t i = 0; i < got.size(); ++i) {
    const Philox4 bits = random4(key, 77 + i / 4);
    const std::size_t pair = i % 4 / 2 * 2;
    const double u = static_cast<double>((bits.v[pair] >> 8U) + 1) * 0x1p-24;
    const double angle = 2 * 3.14159265358979323846 * static_cast<double>(bits.v[pair + 1]) * 0x1p-32;
    const double want = std::sqrt(-2 * std::log(u)) * (i % 2 == 0 ? std::cos(angle) : std::sin(angle));
    if (!(std::abs(static_cast<double>(got[i]) - want) <= 6 * 1e-6)) { FAIL(i << ": " << got[i] << " wants " << want); }
  }
  std::vector<float> fewer(10);
  gaussian(key, 78, fewer);
  for (std::size_t i = 0; i < fewer.size(); ++i) { CHECK(fewer[i] == got[i + 4]); }
}

TEST_CASE("augment: the list of names switches on what it names", "[augment]") {
  const AugmentOptions two = augment_named("rot,noise");
  CHECK(two.rotate_probability == AugmentOptions{}.rotate_probability);
  CHECK(two.noise_probability == AugmentOptions{}.noise_probability);
  CHECK(two.flip_probability == 0);
  CHECK(two.shift_probability == 0);
  CHECK(two.intensity_probability == 0);
  CHECK(augment_named("").flip_probability == 0);
  CHECK(augment_named("none").noise_probability == 0);
  CHECK(augment_named("all").shift_probability > 0);
  CHECK(augment_named("flip,shift,intensity").intensity_probability > 0);
  CHECK_THROWS_WITH(augment_named("flip,zoom"), ContainsSubstring("augment 'zoom' is none of"));
  AugmentOptions bad;
  bad.flip_probability = std::nan("");
  CHECK_THROWS_WITH(check_augment(bad), ContainsSubstring("flip_probability"));
  bad = {};
  bad.shift_voxels = -1;
  CHECK_THROWS_AS(check_augment(bad), Error);
}

TEST_CASE("augment: intensities for another number of channels are refused", "[augment]") {
  Case c = derived({2, 2, 2}, 3);
  const Augmentation two{.intensity = {{1, 0}, {1, 0}}};
  CHECK_THROWS_WITH(augment(c.image, c.label, c.size, two, c.image, c.label),
                    ContainsSubstring("intensities of 2 channels, the image has 3"));
}

}  // namespace
}  // namespace vox::test
