#include "data/synth/phantom.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numbers>

#include "data/synth/head.h"
#include "data/synth/tumour.h"
#include "kernels/base/check.h"
#include "kernels/base/parallel.h"

namespace vox {
namespace {

constexpr Point kGridMm{240, 240, 155};  // BraTS

/// What a scanner would show at gain 1, by Modality: t1, t1ce, t2, flair. In the order that radiologists expect.
using Contrast = std::array<double, 4>;
constexpr Contrast kCsf{210, 220, 900, 130};
constexpr Contrast kGrey{540, 560, 400, 400};
constexpr Contrast kWhite{730, 740, 270, 310};
constexpr Contrast kNecrosis{270, 290, 780, 400};
constexpr Contrast kSolid{430, 440, 720, 660};
constexpr Contrast kRim{520, 1280, 560, 590};
constexpr Contrast kOedema{470, 480, 700, 830};

constexpr std::uint32_t kScannerPlace = 300;
constexpr std::uint32_t kTexturePlace = 301;
constexpr std::uint32_t kNoisePlace = 302;
constexpr std::uint32_t kBiasPlace = 310;

/// Gain, shading and noise of the four series.
class Scanner {
 public:
  explicit Scanner(RandomKey key)
      : noise_key_{key.seed, key.step, kNoisePlace}, texture_({key.seed, key.step, kTexturePlace}, 4) {
    for (std::uint32_t m = 0; m < 4; ++m) {
      shading_.emplace_back(RandomKey{key.seed, key.step, kBiasPlace + m}, kShadingWavelengthMm);
    }
    key.place = kScannerPlace;
    Draw draw(key);
    for (double& gain : gain_) { gain = draw.between(0.6, 1.7); }
    noise_ = draw.between(14, 26);
  }

  /// Whole numbers from 1: 0 is for what is not brain.
  [[nodiscard]] std::array<float, 4> values(const Point& p, std::uint64_t voxel, const Tissue& t,
                                            const TumourParts& u) const {
    const double texture = 1 + 0.035 * texture_(p);
    const double healthy = std::max(1 - u.necrosis - u.solid - u.rim - u.oedema, 0.0);
    const std::array<double, 4> noise = normal4(voxel);
    std::array<float, 4> out{};
    for (std::size_t m = 0; m < 4; ++m) {
      const double signal = healthy * (t.csf * kCsf[m] + t.grey * kGrey[m] + t.white * kWhite[m]) +
                            u.necrosis * kNecrosis[m] + u.solid * kSolid[m] + u.rim * kRim[m] + u.oedema * kOedema[m];
      const double shaded = signal * texture * (1 + 0.16 * shading_[m](p));
      out[m] = static_cast<float>(std::max(std::nearbyint(gain_[m] * (shaded + noise_ * noise[m])), 1.0));
    }
    return out;
  }

 private:
  static constexpr double kShadingWavelengthMm = 90;  // of the bias field of a head coil

  /// Four standard normal numbers (Box and Muller), always the same for a voxel.
  [[nodiscard]] std::array<double, 4> normal4(std::uint64_t voxel) const {
    const Philox4 random = random4(noise_key_, voxel);
    std::array<double, 4> out{};
    for (std::size_t i = 0; i < 4; i += 2) {
      const double radius = std::sqrt(-2 * std::log(unit(random.v[i]) + 0x1p-33));  // never log(0)
      const double angle = 2 * std::numbers::pi * unit(random.v[i + 1]);
      out[i] = radius * std::cos(angle);
      out[i + 1] = radius * std::sin(angle);
    }
    return out;
  }

  RandomKey noise_key_;
  NoiseField texture_;
  std::vector<NoiseField> shading_;
  std::array<double, 4> gain_{};
  double noise_ = 0;
};

Geometry brats_geometry(const std::array<std::int64_t, 3>& size) {
  Geometry g;
  g.size = size;
  for (std::size_t axis = 0; axis < 3; ++axis) {
    g.spacing_mm[axis] = kGridMm[2 - axis] / static_cast<double>(size[axis]);
  }
  const auto& s = g.spacing_mm;
  g.affine = {-s[2], 0, 0, -0.0, 0, -s[1], 0, static_cast<double>(size[1] - 1) * s[1], 0, 0, s[0], 0};
  return g;
}

}  // namespace

Phantom make_phantom(const PhantomOptions& options, int threads) {
  for (const std::int64_t n : options.size) {
    VOX_CHECK(n >= 16 && n <= 512, "phantom: {} voxels (D,H,W), wants 16 to 512 along each axis",
              fmt::join(options.size, "x"));
  }
  const RandomKey key{.seed = options.seed, .step = options.case_index, .place = 0};
  const Head head(key);
  const Tumour tumour(key, options);
  const Scanner scanner(key);
  Phantom out;
  const Geometry g = brats_geometry(options.size);
  const auto voxels = static_cast<std::size_t>(g.voxels());
  for (Image& image : out.images) { image = {g, LargeVector<float>(voxels)}; }
  out.labels = {g, LargeVector<std::uint8_t>(voxels)};
  parallel_for(threads, g.size[0] * g.size[1], [&](std::int64_t row) {
    const auto centred = [&](std::int64_t index, std::size_t axis) {
      return (static_cast<double>(index) + 0.5) * g.spacing_mm[axis] - 0.5 * kGridMm[2 - axis];
    };
    Point p{0, centred(row % g.size[1], 1), centred(row / g.size[1], 0)};
    for (std::int64_t w = 0; w < g.size[2]; ++w) {
      p[0] = centred(w, 2);
      const Tissue tissue = head.tissue(p);
      if (!tissue.is_brain()) { continue; }
      const auto v = static_cast<std::size_t>(row * g.size[2] + w);
      const TumourParts parts = tumour.parts(p, tissue);
      const auto values = scanner.values(p, v, tissue, parts);
      for (std::size_t m = 0; m < 4; ++m) { out.images[m].values[v] = values[m]; }
      out.labels.values[v] = parts.label();
    }
  });
  return out;
}

}  // namespace vox
