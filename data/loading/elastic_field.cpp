#include "data/loading/elastic_field.h"

#include <cstddef>

namespace vox {
namespace {

std::size_t at(std::int64_t i) { return static_cast<std::size_t>(i); }

}  // namespace

ElasticField::ElasticField(const Extent3& size, double voxels, const RandomKey& key, std::uint64_t first_group) {
  for (std::size_t a = 0; a < 3; ++a) { controls_[a] = (size[a] - 1) / kElasticSpacing + 4; }
  for (std::size_t i = 0; i < weights_.size(); ++i) {
    const double u = static_cast<double>(i) / kElasticSpacing;
    weights_[i] = {static_cast<float>((1 - u) * (1 - u) * (1 - u) / 6),
                   static_cast<float>((3 * u * u * u - 6 * u * u + 4) / 6),
                   static_cast<float>((-3 * u * u * u + 3 * u * u + 3 * u + 1) / 6), static_cast<float>(u * u * u / 6)};
  }
  control_.resize(at(controls_[0] * controls_[1] * controls_[2]));
  for (std::size_t n = 0; n < control_.size(); ++n) {
    const Philox4 bits = random4(key, first_group + n);
    for (std::size_t a = 0; a < 3; ++a) { control_[n][a] = static_cast<float>((2 * unit(bits.v[a]) - 1) * voxels); }
  }
}

void ElasticField::row(std::int64_t d, std::int64_t h, std::array<std::vector<float>, 3>& out) const {
  const Taps& by_d = weights_[at(d % kElasticSpacing)];
  const Taps& by_h = weights_[at(h % kElasticSpacing)];
  // The control points of this row: sums over those around it in the other two axes.
  std::vector<std::array<float, 3>> line(at(controls_[2]));
  for (std::int64_t i = 0; i < 4; ++i) {
    for (std::int64_t j = 0; j < 4; ++j) {
      const float weight = by_d[at(i)] * by_h[at(j)];
      const auto* const from =
          control_.data() + ((d / kElasticSpacing + i) * controls_[1] + h / kElasticSpacing + j) * controls_[2];
      for (std::size_t k = 0; k < line.size(); ++k) {
        for (std::size_t a = 0; a < 3; ++a) { line[k][a] += weight * from[k][a]; }
      }
    }
  }
  for (std::size_t a = 0; a < 3; ++a) {
    for (std::size_t w = 0; w < out[a].size(); ++w) {
      const Taps& t = weights_[w % kElasticSpacing];
      const auto* const c = line.data() + w / kElasticSpacing;
      out[a][w] = t[0] * c[0][a] + t[1] * c[1][a] + t[2] * c[2][a] + t[3] * c[3][a];
    }
  }
}

}  // namespace vox
