#include "data/loading/nnunet_options.h"

#include <cmath>
#include <limits>
#include <numbers>

#include "data/loading/augment.h"
#include "data/loading/nnunet_augment.h"
#include "kernels/base/check.h"
#include "tests/support/catch.h"

namespace vox::test {
namespace {

constexpr std::uint32_t kSamples = 2000;

/// Five deviations of a count of draws with probability p, over their number.
double five_deviations(double p, double draws) { return 5 * std::sqrt(p * (1 - p) / draws); }

/// How often something happened, and what was drawn when it did.
struct Seen {
  double count = 0;
  double sum = 0;
  double below_one = 0;
  double least = std::numeric_limits<double>::infinity();
  double most = -std::numeric_limits<double>::infinity();

  void add(double magnitude) {
    ++count;
    sum += magnitude;
    below_one += magnitude < 1 ? 1 : 0;
    least = std::min(least, magnitude);
    most = std::max(most, magnitude);
  }
  /// Uniform in [low, high], and as often as expected.
  void check(const char* what, double draws, double probability, double low, double high) const {
    INFO(what << ": " << count << " of " << draws << ", " << least << " to " << most);
    CHECK(std::abs(count / draws - probability) < five_deviations(probability, draws));
    CHECK(least >= low);
    CHECK(most <= high);
    CHECK(most - least > 0.9 * (high - low));
  }
};

}  // namespace

TEST_CASE("augment: nnU-Net's steps happen as often and as strongly as their settings say", "[augment]") {
  const NnunetOptions o = nnunet_options("elastic=2..6@0.1");
  std::array<Seen, 3> mirror;
  Seen turned;
  Seen scaled;
  Seen bent;
  Seen noisy;
  Seen blur;
  Seen lowres;
  std::array<Seen, 4> factors;
  std::array<double, 4> samples_with{};
  for (std::uint32_t i = 0; i < kSamples; ++i) {
    const NnunetAugmentation a = draw_nnunet(o, {.seed = 7, .epoch = 3, .position = i}, 4);
    for (std::size_t axis = 0; axis < 3; ++axis) {
      if (a.spatial.mirror[axis]) { mirror[axis].add(0); }
    }
    const Matrix3& m = a.spatial.matrix;
    const double scale = std::sqrt(m[0] * m[0] + m[3] * m[3] + m[6] * m[6]);
    const double first = std::atan2(m[7], m[8]) * 180 / std::numbers::pi;  // of Rz Ry Rx
    if (std::abs(first) > 1e-9) { turned.add(first); }
    if (std::abs(scale - 1) > 1e-9) { scaled.add(scale); }
    CHECK(a.spatial.turned_or_scaled == (std::abs(first) > 1e-9 || std::abs(scale - 1) > 1e-9));
    if (a.spatial.elastic_voxels > 0) { bent.add(a.spatial.elastic_voxels); }
    if (a.noise_sigma > 0) { noisy.add(static_cast<double>(a.noise_sigma)); }
    std::array<bool, 4> any{};
    for (const ChannelChange& c : a.channels) {
      if (c.blur_sigma[0] > 0) { blur.add(static_cast<double>(c.blur_sigma[1])); }
      if (c.resolution < 1) { lowres.add(c.resolution); }
      const std::array<float, 4> drawn{c.brightness, c.contrast, c.gamma_negated, c.gamma};
      for (std::size_t f = 0; f < 4; ++f) {
        if (drawn[f] != 1) { factors[f].add(static_cast<double>(drawn[f])); }
        any[f] = any[f] || drawn[f] != 1;
      }
    }
    for (std::size_t f = 0; f < 4; ++f) { samples_with[f] += any[f] ? 1 : 0; }
  }
  for (const Seen& axis : mirror) { CHECK(std::abs(axis.count / kSamples - 0.5) < five_deviations(0.5, kSamples)); }
  turned.check("rotate", kSamples, 0.2, -30, 30);
  scaled.check("scale", kSamples, 0.2, 0.7, 1.4);
  bent.check("elastic", kSamples, 0.1, 2, 6);
  noisy.check("noise", kSamples, 0.1, 0, 0.1);
  constexpr double kClustered = 4 * kSamples / 4.0;  // channels of a sample come together: as many draws as samples
  blur.check("blur", 4 * kClustered, 0.1, 0.5, 1);
  lowres.check("lowres", 4 * kClustered, 0.125, 0.5, 1);
  constexpr std::array<double, 4> kProbability{0.15, 0.15, 0.1, 0.3};
  for (std::size_t f = 0; f < 4; ++f) {
    CHECK(std::abs(samples_with[f] / kSamples - kProbability[f]) < five_deviations(kProbability[f], kSamples));
    CHECK(factors[f].count == 4 * samples_with[f]);  // every channel its own
    const double low = f < 2 ? 0.75 : 0.7;
    const double high = f < 2 ? 1.25 : 1.5;
    CHECK(factors[f].least >= low - 1e-6);
    CHECK(factors[f].most <= high + 1e-6);
    CHECK(std::abs(factors[f].below_one / factors[f].count - 0.5) < five_deviations(0.5, factors[f].count));
    const double middle = 0.5 * (0.5 * (low + 1) + 0.5 * (1 + high));  // of both halves
    CHECK(std::abs(factors[f].sum / factors[f].count - middle) < 5 * 0.25 / std::sqrt(factors[f].count));
  }
}

TEST_CASE("augment: nnU-Net's matrix is Rz Ry Rx S of the angles and the factor drawn", "[augment]") {
  const NnunetOptions o = nnunet_options("rotate=10..10@1,scale=1.25@1");
  const Matrix3 m = draw_nnunet(o, {.seed = 1}, 1).spatial.matrix;
  const double s = std::sin(std::numbers::pi / 18);
  const double c = std::cos(std::numbers::pi / 18);
  const Matrix3 x{1, 0, 0, 0, c, -s, 0, s, c};
  const Matrix3 y{c, 0, s, 0, 1, 0, -s, 0, c};
  const Matrix3 z{c, -s, 0, s, c, 0, 0, 0, 1};
  for (std::size_t r = 0; r < 3; ++r) {
    for (std::size_t k = 0; k < 3; ++k) {
      double want = 0;
      for (std::size_t i = 0; i < 3; ++i) {
        for (std::size_t j = 0; j < 3; ++j) { want += z[3 * r + i] * y[3 * i + j] * x[3 * j + k] * 1.25; }
      }
      CHECK(std::abs(m[3 * r + k] - want) < 1e-14);
    }
  }
}

TEST_CASE("augment: what a sample draws of a step depends neither on the other steps nor on other samples",
          "[augment]") {
  for (std::uint32_t i = 0; i < 50; ++i) {
    const SampleKey key{.seed = 5, .epoch = 2, .position = i};
    const NnunetAugmentation all = draw_nnunet(nnunet_options("noise@1,gamma@1,lowres@1/1"), key, 4);
    const NnunetAugmentation few =
        draw_nnunet(nnunet_options("noise@1,gamma@1,lowres@1/1,rotate=off,blur=off"), key, 2);
    CHECK(all.noise_sigma == few.noise_sigma);
    CHECK(all.spatial.mirror == few.spatial.mirror);
    CHECK(all.channels[1].gamma == few.channels[1].gamma);
    CHECK(all.channels[1].resolution == few.channels[1].resolution);
    CHECK(all.channels[0].gamma != all.channels[1].gamma);
    for (const SampleKey& other : {SampleKey{6, 2, i}, SampleKey{5, 3, i}, SampleKey{5, 2, i + 1}}) {
      CHECK(draw_nnunet(nnunet_options("noise@1"), other, 1).noise_sigma != all.noise_sigma);
    }
  }
}

TEST_CASE("augment: nnunet and its settings are read, and said in full", "[augment]") {
  CHECK(augment_text("all") == "all");
  CHECK(augment_text("nnunet") ==
        "nnunet,rotate=30@0.2,scale=0.7..1.4@0.2,mirror@0.5,noise=0..0.1@0.1,blur=0.5..1@0.2/0.5,"
        "brightness=0.75..1.25@0.15,contrast=0.75..1.25@0.15,lowres=0.5..1@0.25/0.5,gamma-negated=0.7..1.5@0.1,"
        "gamma=0.7..1.5@0.3");
  for (const char* const text :
       {"nnunet", "nnunet,rotate=-5..45@1,elastic=3@0.5,blur@0.1/1,gamma=off", "nnunet,noise@0"}) {
    CHECK(augment_text(augment_text(text)) == augment_text(text));
  }
  const NnunetOptions o =
      nnunet_options("rotate=15@0.3,scale=0.8..1.25,elastic=5@0.1,noise=0.2,blur=0.7@0.4/0.9,mirror@0");
  CHECK(o.rotate.low == -15);
  CHECK(o.rotate.high == 15);
  CHECK(o.rotate.probability == 0.3);
  CHECK(o.scale.low == 0.8);
  CHECK(o.scale.probability == 0.2);
  CHECK(o.elastic.low == 0);
  CHECK(o.elastic.high == 5);
  CHECK(o.noise.high == 0.2);
  CHECK(o.blur.low == 0.7);
  CHECK(o.blur.high == 0.7);
  CHECK(o.blur.channel_probability == 0.9);
  CHECK(o.mirror.probability == 0);
  CHECK(augment_named("nnunet").nnunet->gamma.probability == 0.3);
  CHECK(augment_named("nnunet").flip_probability == 0);
  CHECK(changes_samples(augment_named("nnunet")));
  CHECK_FALSE(augment_named("all").nnunet);
}

TEST_CASE("augment: a setting that makes no sense is refused in words", "[augment]") {
  for (const auto& [text, why] : std::vector<std::pair<const char*, const char*>>{
           {"nnunet,flip", "'flip' is no step of nnunet, wants one of rotate, scale, elastic"},
           {"nnunet,rotate", "'rotate' says nothing of rotate, wants rotate=RANGE, rotate@PROBABILITY or rotate=off"},
           {"nnunet,rotate=x", "'x' in 'rotate=x' is no number"},
           {"nnunet,scale=0.7..", "'' in 'scale=0.7..' is no number"},
           {"nnunet,scale=1.4..0.7", "scale is 1.4..0.7, wants a factor from 0.25 to 4, the lower one first"},
           {"nnunet,rotate=200", "rotate is -200..200, wants degrees from -180 to 180"},
           {"nnunet,elastic=13@0.1", "elastic is 0..13, wants voxels from 0 to 12"},
           {"nnunet,noise@1.5", "noise has probability 1.5, wants 0 to 1"},
           {"nnunet,blur@0.1/-1", "blur has probability 0.1 and by channel -1"},
           {"nnunet,gamma@0.1/0.5", "gamma has no probability by channel"},
           {"nnunet,mirror=2", "mirror has no range, wants mirror@PROBABILITY"},
           {"nnunet,gamma=off@0.5", "what is off has no probability"},
           {"nnunet,gamma=nan", "gamma is nan..nan"},
           {"nnunet,lowres=0", "lowres is 0..0, wants a share of the extents from 0.01 to 1"},
           {"flip,nnunet", "'nnunet' is none of rot, flip"},
           {"nnunets", "'nnunets' is none of"}}) {
    INFO(text);
    CHECK_THROWS_AS(augment_named(text), Error);
    CHECK_THROWS_WITH(augment_named(text), ContainsSubstring(why));
  }
  AugmentOptions both;
  both.nnunet.emplace();
  CHECK_THROWS_WITH(check_augment(both), ContainsSubstring("stand alone"));
}

}  // namespace vox::test
