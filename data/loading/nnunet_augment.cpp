#include "data/loading/nnunet_augment.h"

#include <algorithm>
#include <cmath>

#include "data/loading/blur.h"
#include "data/loading/draws.h"
#include "data/loading/gaussian.h"
#include "data/loading/intensity.h"
#include "data/loading/low_resolution.h"
#include "data/loading/shuffle.h"
#include "kernels/base/check.h"

namespace vox {
namespace {

/// A draw of each number, whether it is wanted or not: which is which does not hang on the probabilities.
double magnitude(Draws& draws, const AugmentStep& step) { return draws.between(step.low, step.high); }

/// Below 1 and above it equally often, as nnU-Net's BGContrast: where the range has both.
double split_magnitude(Draws& draws, const AugmentStep& step) {
  const bool lower = draws.happens(0.5) && step.low < 1;
  const double u = draws.uniform();
  const double low = lower ? step.low : std::max(step.low, 1.0);
  const double high = lower ? std::min(step.high, 1.0) : std::max(step.high, low);
  return low + (high - low) * u;
}

SpatialChange draw_spatial(const NnunetOptions& o, const SampleKey& key, Draws& draws) {
  SpatialChange s;
  for (bool& m : s.mirror) { m = draws.happens(o.mirror.probability); }
  const bool turned = draws.happens(o.rotate.probability);
  std::array<double, 3> degrees{};
  for (double& d : degrees) {
    d = magnitude(draws, o.rotate);
    d = turned ? d : 0;
  }
  const bool scaled = draws.happens(o.scale.probability);
  const double drawn = magnitude(draws, o.scale);
  const double scale = scaled ? drawn : 1;
  s.turned_or_scaled = turned || scaled;
  s.matrix = matrix_product(turn(0, 1, degrees[2]), matrix_product(turn(2, 0, degrees[1]), turn(1, 2, degrees[0])));
  for (double& m : s.matrix) { m *= scale; }
  const bool bent = draws.happens(o.elastic.probability);
  const double voxels = magnitude(draws, o.elastic);
  s.elastic_voxels = bent ? voxels : 0;
  s.elastic = {.seed = key.seed, .step = key.epoch, .place = kPlaceElastic};
  s.elastic_group = first_group(key);
  return s;
}

/// What is to happen to the whole sample.
struct Happens {
  bool blur;
  bool brightness;
  bool contrast;
  bool lowres;
  bool gamma_negated;
  bool gamma;
};

ChannelChange draw_channel(const NnunetOptions& o, const Happens& happens, Draws& draws) {
  ChannelChange c;
  const bool blurred = draws.happens(o.blur.channel_probability) && happens.blur;
  for (float& sigma : c.blur_sigma) {
    const double drawn = magnitude(draws, o.blur);
    sigma = blurred ? static_cast<float>(drawn) : 0;
  }
  const bool coarse = draws.happens(o.lowres.channel_probability) && happens.lowres;
  const double share = magnitude(draws, o.lowres);
  c.resolution = coarse ? share : 1;
  const auto factor = [&](const AugmentStep& step, bool wanted) {
    const double drawn = split_magnitude(draws, step);
    return wanted ? static_cast<float>(drawn) : 1.0F;
  };
  c.brightness = factor(o.brightness, happens.brightness);
  c.contrast = factor(o.contrast, happens.contrast);
  c.gamma_negated = factor(o.gamma_negated, happens.gamma_negated);
  c.gamma = factor(o.gamma, happens.gamma);
  return c;
}

void add_noise_everywhere(const NnunetAugmentation& a, std::span<float> image) {
  std::array<float, 256> normal{};
  for (std::size_t done = 0; done < image.size(); done += normal.size()) {
    const std::span<float> part = image.subspan(done, std::min(normal.size(), image.size() - done));
    gaussian(a.noise, a.noise_group + done / 4, std::span(normal).first(part.size()));
    for (std::size_t i = 0; i < part.size(); ++i) { part[i] += a.noise_sigma * normal[i]; }
  }
}

}  // namespace

NnunetAugmentation draw_nnunet(const NnunetOptions& o, const SampleKey& key, std::size_t channels) {
  constexpr std::uint64_t kNumbersEach = 64;  // of the sample, then of each channel
  Draws draws(key, kPlaceNnunet);
  NnunetAugmentation a;
  a.spatial = draw_spatial(o, key, draws);
  const bool noisy = draws.happens(o.noise.probability);
  const double sigma = magnitude(draws, o.noise);
  a.noise_sigma = noisy ? static_cast<float>(sigma) : 0;
  a.noise_group = first_group(key);
  a.noise = {.seed = key.seed, .step = key.epoch, .place = kPlaceNoise};
  Happens happens{};
  happens.blur = draws.happens(o.blur.probability);
  happens.brightness = draws.happens(o.brightness.probability);
  happens.contrast = draws.happens(o.contrast.probability);
  happens.lowres = draws.happens(o.lowres.probability);
  happens.gamma_negated = draws.happens(o.gamma_negated.probability);
  happens.gamma = draws.happens(o.gamma.probability);
  for (std::size_t c = 0; c < channels; ++c) {
    Draws own(key, kPlaceNnunet, (c + 1) * kNumbersEach);
    a.channels.push_back(draw_channel(o, happens, own));
  }
  return a;
}

std::int64_t most_voxels_needed(const Extent3& size, const NnunetOptions& o, const Extent3& case_size) {
  const bool turns = o.rotate.probability > 0;
  const bool scales = o.scale.probability > 0;
  const double elastic = o.elastic.probability > 0 ? o.elastic.high : 0;
  const double scale = scales ? std::max(o.scale.high, 1.0) : 1;
  std::array<double, 3> reach{};
  double squares = 0;
  for (std::size_t a = 0; a < 3; ++a) {
    reach[a] = scale * (0.5 * static_cast<double>(size[a] - 1) + elastic);
    squares += reach[a] * reach[a];
  }
  std::int64_t voxels = 1;
  for (std::size_t a = 0; a < 3; ++a) {
    const double r = turns ? std::sqrt(squares) : reach[a];  // a turn keeps the distance of a corner
    voxels *= std::clamp<std::int64_t>(static_cast<std::int64_t>(2 * r) + 3, 1, case_size[a]);
  }
  return voxels;
}

void mark_outside(std::span<const float> image, std::span<std::uint8_t> label) {
  constexpr std::size_t kPart = 4096;  // stays in the first cache while the channels pass
  std::array<std::uint8_t, kPart> brain{};
  for (std::size_t first = 0; first < label.size(); first += kPart) {
    const std::size_t n = std::min(kPart, label.size() - first);
    std::uint8_t* const marks = label.data() + first;
    for (std::size_t i = 0; i < n; ++i) { brain[i] = marks[i]; }
    for (std::size_t c = 0; c < image.size(); c += label.size()) {
      const float* const x = image.data() + c + first;
      for (std::size_t i = 0; i < n; ++i) { brain[i] = static_cast<std::uint8_t>(brain[i] | (x[i] != 0.0F ? 1 : 0)); }
    }
    for (std::size_t i = 0; i < n; ++i) {
      marks[i] = brain[i] != 0 ? static_cast<std::uint8_t>(marks[i] + 1) : std::uint8_t{0};
    }
  }
}

void clear_outside(std::span<float> image, std::span<std::uint8_t> marks) {
  for (std::size_t c = 0; c < image.size(); c += marks.size()) {
    float* const x = image.data() + c;
    for (std::size_t i = 0; i < marks.size(); ++i) { x[i] = marks[i] != 0 ? x[i] : 0.0F; }
  }
  for (std::uint8_t& m : marks) { m = m != 0 ? static_cast<std::uint8_t>(m - 1) : m; }
}

void change_intensities(const NnunetAugmentation& a, const Extent3& size, std::span<float> image,
                        std::vector<float>& scratch) {
  const auto voxels = static_cast<std::size_t>(size[0] * size[1] * size[2]);
  VOX_CHECK(image.size() == a.channels.size() * voxels,
            "augment: intensities of {} channels, an image of {} values at {}x{}x{}", a.channels.size(), image.size(),
            size[0], size[1], size[2]);
  if (a.noise_sigma > 0) { add_noise_everywhere(a, image); }
  for (std::size_t c = 0; c < a.channels.size(); ++c) {
    const ChannelChange& change = a.channels[c];
    const std::span<float> channel = image.subspan(c * voxels, voxels);
    if (change.blur_sigma[0] > 0) { blur(channel, size, change.blur_sigma, scratch); }
    if (change.brightness != 1) { change_brightness(channel, change.brightness); }
    if (change.contrast != 1) { change_contrast(channel, change.contrast); }
    if (change.resolution < 1) { lower_resolution(channel, size, change.resolution, scratch); }
    if (change.gamma_negated != 1) { change_gamma(channel, change.gamma_negated, GammaOf::negated); }
    if (change.gamma != 1) { change_gamma(channel, change.gamma, GammaOf::image); }
  }
}

}  // namespace vox
