#include "data/loading/augment.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "data/loading/draws.h"
#include "data/loading/gaussian.h"
#include "data/loading/rotation.h"
#include "data/loading/shuffle.h"
#include "data/loading/warp.h"
#include "kernels/base/check.h"

namespace vox {
namespace {

/// Each channel's own line.
std::vector<ChannelLine> draw_intensity(const AugmentOptions& o, const SampleKey& key, std::size_t channels) {
  const RandomKey random{.seed = key.seed, .step = key.epoch, .place = kPlaceIntensity};
  std::vector<float> normal(2 * channels);
  gaussian(random, first_group(key), normal);
  std::vector<ChannelLine> lines(channels);
  for (std::size_t c = 0; c < channels; ++c) {
    lines[c] = {.scale = 1.0F + static_cast<float>(o.intensity_scale) * normal[2 * c],
                .offset = static_cast<float>(o.intensity_shift) * normal[2 * c + 1]};
  }
  return lines;
}

void change_intensity(std::span<const ChannelLine> lines, std::span<float> image) {
  const std::size_t voxels = image.size() / lines.size();
  for (std::size_t c = 0; c < lines.size(); ++c) {
    const auto [scale, offset] = lines[c];
    for (float& x : image.subspan(c * voxels, voxels)) { x = x == 0.0F ? x : x * scale + offset; }
  }
}

void add_noise(const Augmentation& a, std::span<float> image) {
  std::array<float, 256> normal{};
  for (std::size_t done = 0; done < image.size(); done += normal.size()) {
    const std::span<float> part = image.subspan(done, std::min(normal.size(), image.size() - done));
    if (std::ranges::all_of(part, [](float x) { return x == 0.0F; })) { continue; }  // background: a third or more
    gaussian(a.noise, a.noise_group + done / 4, std::span(normal).first(part.size()));
    for (std::size_t i = 0; i < part.size(); ++i) {
      part[i] = part[i] == 0.0F ? part[i] : part[i] + a.noise_sigma * normal[i];
    }
  }
}

}  // namespace

AugmentOptions AugmentOptions::none() {
  return {.flip_probability = 0,
          .rotate_probability = 0,
          .shift_probability = 0,
          .intensity_probability = 0,
          .noise_probability = 0};
}

AugmentOptions augment_named(std::string_view list) {
  const AugmentOptions all;
  if (list == "all") { return all; }
  AugmentOptions chosen = AugmentOptions::none();
  if (list == "none") { return chosen; }
  constexpr std::string_view kNnunet = "nnunet";
  if (list == kNnunet || list.starts_with("nnunet,")) {
    chosen.nnunet = nnunet_options(list.substr(std::min(list.size(), kNnunet.size() + 1)));
    return chosen;
  }
  while (!list.empty()) {
    const std::string_view word = list.substr(0, list.find(','));
    list.remove_prefix(std::min(word.size() + 1, list.size()));
    if (word == "rot") {
      chosen.rotate_probability = all.rotate_probability;
    } else if (word == "flip") {
      chosen.flip_probability = all.flip_probability;
    } else if (word == "shift") {
      chosen.shift_probability = all.shift_probability;
    } else if (word == "intensity") {
      chosen.intensity_probability = all.intensity_probability;
    } else if (word == "noise") {
      chosen.noise_probability = all.noise_probability;
    } else {
      VOX_FAIL(
          "augment '{}' is none of rot, flip, shift, intensity, noise; 'all' and 'none' stand alone, and 'nnunet' "
          "first",
          word);
    }
  }
  return chosen;
}

std::string augment_text(std::string_view list) {
  const AugmentOptions o = augment_named(list);
  return o.nnunet ? "nnunet," + nnunet_text(*o.nnunet) : std::string(list);
}

void check_augment(const AugmentOptions& o) {
  for (const auto& [what, p] :
       {std::pair{"flip", o.flip_probability}, std::pair{"rotate", o.rotate_probability},
        std::pair{"shift", o.shift_probability}, std::pair{"intensity", o.intensity_probability},
        std::pair{"noise", o.noise_probability}}) {
    VOX_CHECK(p >= 0 && p <= 1, "augment: {}_probability {} is not in [0,1]", what, p);
  }
  for (const auto& [what, m] :
       {std::pair{"rotate_degrees", o.rotate_degrees}, std::pair{"shift_voxels", static_cast<double>(o.shift_voxels)},
        std::pair{"intensity_scale", o.intensity_scale}, std::pair{"intensity_shift", o.intensity_shift},
        std::pair{"noise_sigma", o.noise_sigma}}) {
    VOX_CHECK(m >= 0 && m <= 1e6, "augment: {} {} is not in [0,1e6]", what, m);
  }
  if (o.nnunet) {
    check_nnunet(*o.nnunet);
    AugmentOptions others = o;
    others.nnunet = std::nullopt;
    VOX_CHECK(!changes_samples(others), "augment: nnU-Net's steps stand alone, and others are on beside them");
  }
}

bool changes_samples(const AugmentOptions& o) {
  return o.flip_probability > 0 || o.rotate_probability > 0 || o.shift_probability > 0 || o.intensity_probability > 0 ||
         o.noise_probability > 0 || o.nnunet;
}

bool does_nothing(const Augmentation& a) {
  const Movement& m = a.movement;
  const bool moves = m.rotated || std::ranges::any_of(m.flip, [](bool f) { return f; }) ||
                     std::ranges::any_of(m.shift, [](std::int64_t s) { return s != 0; });
  return !moves && a.intensity.empty() && !(a.noise_sigma > 0);
}

Augmentation draw_augmentation(const AugmentOptions& o, const SampleKey& key, std::size_t channels) {
  Draws draws(key, kPlaceAugment);
  Augmentation a{.noise_group = first_group(key), .noise = {.seed = key.seed, .step = key.epoch, .place = kPlaceNoise}};
  Movement& m = a.movement;
  for (bool& flip : m.flip) { flip = draws.happens(o.flip_probability); }
  m.rotated = draws.happens(o.rotate_probability);
  std::array<double, 3> degrees{};
  for (double& d : degrees) { d = draws.within(o.rotate_degrees); }
  const bool shifted = draws.happens(o.shift_probability);
  for (std::int64_t& s : m.shift) {
    const auto width = static_cast<double>(2 * o.shift_voxels + 1);
    s = static_cast<std::int64_t>(draws.uniform() * width) - o.shift_voxels;
    s = shifted ? s : 0;
  }
  if (draws.happens(o.intensity_probability)) { a.intensity = draw_intensity(o, key, channels); }
  const bool noisy = draws.happens(o.noise_probability);
  const double sigma = draws.uniform() * o.noise_sigma;
  a.noise_sigma = noisy ? static_cast<float>(sigma) : 0;
  if (m.rotated) {
    m.rotation = matrix_product(turn(1, 2, degrees[0]), matrix_product(turn(2, 0, degrees[1]), turn(0, 1, degrees[2])));
  }
  return a;
}

void augment(std::span<const float> image, std::span<const std::uint8_t> label, const Extent3& size,
             const Augmentation& a, std::span<float> out_image, std::span<std::uint8_t> out_label) {
  const auto voxels = static_cast<std::size_t>(size[0] * size[1] * size[2]);
  VOX_CHECK(voxels > 0 && label.size() == voxels && image.size() % voxels == 0 && !image.empty() &&
                out_image.size() == image.size() && out_label.size() == voxels,
            "augment: image of {} values, label of {}, outputs of {} and {}, size {}x{}x{}", image.size(), label.size(),
            out_image.size(), out_label.size(), size[0], size[1], size[2]);
  VOX_CHECK(a.intensity.empty() || a.intensity.size() == image.size() / voxels,
            "augment: intensities of {} channels, the image has {}", a.intensity.size(), image.size() / voxels);
  warp(image, label, size, a.movement, out_image, out_label);
  if (!a.intensity.empty()) { change_intensity(a.intensity, out_image); }
  if (a.noise_sigma > 0) { add_noise(a, out_image); }
}

}  // namespace vox
