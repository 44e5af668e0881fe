#include "data/prepare/restore.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "data/cases/regions.h"
#include "kernels/base/check.h"
#include "kernels/base/parallel.h"

namespace vox {
namespace {

std::size_t at(std::int64_t i) { return static_cast<std::size_t>(i); }

/// The interpolation from the network's grid to the box, ready for any class.
class Restorer {
 public:
  Restorer(std::span<const float> probabilities, const GridMapping& m)
      : probabilities_(probabilities), mapping_(m), voxels_(m.size[0] * m.size[1] * m.size[2]) {
    for (std::size_t a = 0; a < 3; ++a) {
      VOX_CHECK(m.size[a] >= 1 && m.box.size[a] >= 1 && m.box.start[a] >= 0 &&
                    m.box.start[a] <= m.source.size[a] - m.box.size[a],
                "restore: axis {} of {} voxels has a box of {} from {}, network size {}", a, m.source.size[a],
                m.box.size[a], m.box.start[a], m.size[a]);
      taps_[a] = linear_taps(m.size[a], m.box.size[a]);
    }
    const auto values = static_cast<std::int64_t>(probabilities.size());
    classes_ = values / voxels_;
    VOX_CHECK(classes_ >= 1 && classes_ <= 256 && values % voxels_ == 0,
              "restore: {} probabilities, wants 1 to 256 classes of {}x{}x{}", values, m.size[0], m.size[1], m.size[2]);
  }

  [[nodiscard]] std::int64_t classes() const { return classes_; }

  /// Row (d, h) of the box for one class; scratch holds a row of the network's grid, out one of the box.
  void row(std::int64_t class_index, std::int64_t d, std::int64_t h, std::span<float> scratch,
           std::span<float> out) const {
    const std::span<const float> volume = probabilities_.subspan(at(class_index * voxels_), at(voxels_));
    blend_row(volume, mapping_.size, taps_[0][at(d)], taps_[1][at(h)], scratch);
    bool finite = true;
    for (std::size_t w = 0; w < out.size(); ++w) {
      const LinearTap& t = taps_[2][w];
      out[w] = scratch[at(t.low)] * (1 - t.high_weight) + scratch[at(t.high)] * t.high_weight;
      finite = finite && std::isfinite(out[w]);
    }
    if (!finite) {
      fail<NonFiniteError>(__FILE__, __LINE__,
                           fmt::format("restore: class {} has a probability that is not finite near slice {}, row {}",
                                       class_index, d + mapping_.box.start[0], h + mapping_.box.start[1]));
    }
  }

 private:
  std::span<const float> probabilities_;
  const GridMapping& mapping_;
  std::int64_t voxels_;
  std::int64_t classes_ = 0;
  std::array<std::vector<LinearTap>, 3> taps_;
};

/// body(d, where the first voxel of slice d of the box lies in the source) for every slice, in parallel.
template <class Body> void for_each_slice(const GridMapping& m, int threads, const Body& body) {
  parallel_for(threads, m.box.size[0], [&](std::int64_t d) {
    const std::int64_t slice = (d + m.box.start[0]) * m.source.size[1] + m.box.start[1];
    body(d, slice * m.source.size[2] + m.box.start[2]);
  });
}

}  // namespace

LabelMap restore_labels(std::span<const float> probabilities, const GridMapping& m, int threads, Decision decision) {
  const Restorer restorer(probabilities, m);
  VOX_CHECK(decision == Decision::largest || restorer.classes() == std::ssize(kClassOfRegion),
            "restore: {} probabilities a voxel, wants {} of regions", restorer.classes(), kClassOfRegion.size());
  LabelMap labels{m.source, LargeVector<std::uint8_t>(at(m.source.voxels()))};
  for_each_slice(m, threads, [&](std::int64_t d, std::int64_t first) {
    std::vector<float> scratch(at(m.size[2]));
    std::vector<float> best(at(m.box.size[2]));
    std::vector<float> rival(best.size());
    for (std::int64_t h = 0; h < m.box.size[1]; ++h) {
      std::uint8_t* const line = labels.values.data() + first + h * m.source.size[2];
      if (decision == Decision::regions) {
        for (std::size_t r = 0; r < kClassOfRegion.size(); ++r) {
          restorer.row(static_cast<std::int64_t>(r), d, h, scratch, best);
          for (std::size_t w = 0; w < best.size(); ++w) { line[w] = best[w] > 0.5F ? kClassOfRegion[r] : line[w]; }
        }
        continue;
      }
      restorer.row(0, d, h, scratch, best);
      for (std::int64_t k = 1; k < restorer.classes(); ++k) {
        restorer.row(k, d, h, scratch, rival);
        for (std::size_t w = 0; w < best.size(); ++w) {
          if (rival[w] > best[w]) {
            best[w] = rival[w];
            line[w] = static_cast<std::uint8_t>(k);
          }
        }
      }
    }
  });
  return labels;
}

Image restore_probability(std::span<const float> probabilities, std::int64_t class_index, const GridMapping& m,
                          int threads, Decision decision) {
  const Restorer restorer(probabilities, m);
  VOX_CHECK(class_index >= 0 && class_index < restorer.classes(), "restore: class {} of {}", class_index,
            restorer.classes());
  Image image{m.source, LargeVector<float>(at(m.source.voxels()),
                                           class_index == 0 && decision == Decision::largest ? 1.0F : 0.0F)};
  for_each_slice(m, threads, [&](std::int64_t d, std::int64_t first) {
    std::vector<float> scratch(at(m.size[2]));
    for (std::int64_t h = 0; h < m.box.size[1]; ++h) {
      float* const line = image.values.data() + first + h * m.source.size[2];
      restorer.row(class_index, d, h, scratch, {line, at(m.box.size[2])});
    }
  });
  return image;
}

}  // namespace vox
