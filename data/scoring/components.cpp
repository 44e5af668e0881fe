#include "data/scoring/components.h"

#include <cstdlib>
#include <limits>

#include "kernels/base/check.h"

namespace vox {
namespace {

std::size_t at(std::int64_t i) { return static_cast<std::size_t>(i); }

/// Sets of provisional numbers; the root of a set is its smallest.
class Sets {
 public:
  std::int32_t add() {
    parent_.push_back(static_cast<std::int32_t>(parent_.size()));
    return parent_.back();
  }
  std::int32_t root(std::int32_t i) {
    while (parent_[at(i)] != i) {
      parent_[at(i)] = parent_[at(parent_[at(i)])];
      i = parent_[at(i)];
    }
    return i;
  }
  std::int32_t join(std::int32_t a, std::int32_t b) {
    a = root(a);
    b = root(b);
    if (b < a) { std::swap(a, b); }
    parent_[at(b)] = a;
    return a;
  }
  [[nodiscard]] std::size_t size() const { return parent_.size(); }

 private:
  std::vector<std::int32_t> parent_;
};

struct Step {
  std::int64_t d;
  std::int64_t h;
  std::int64_t w;
};

/// To the neighbours that lie before a voxel in memory.
std::vector<Step> steps_back(Connectivity connectivity) {
  const std::int64_t most = connectivity == Connectivity::faces ? 1 : connectivity == Connectivity::edges ? 2 : 3;
  std::vector<Step> steps;
  for (std::int64_t d = -1; d <= 0; ++d) {
    for (std::int64_t h = -1; h <= 1; ++h) {
      for (std::int64_t w = -1; w <= 1; ++w) {
        const bool before = d < 0 || h < 0 || (h == 0 && w < 0);
        if (before && std::abs(d) + std::abs(h) + std::abs(w) <= most) { steps.push_back({d, h, w}); }
      }
    }
  }
  return steps;
}

}  // namespace

Components connected_components(std::span<const std::uint8_t> mask, const Extent3& size, Connectivity connectivity) {
  const std::int64_t voxels = size[0] * size[1] * size[2];
  VOX_CHECK(std::ssize(mask) == voxels && voxels < std::numeric_limits<std::int32_t>::max(),
            "components: a mask of {} voxels for a volume of {}x{}x{}", mask.size(), size[0], size[1], size[2]);
  const std::vector<Step> steps = steps_back(connectivity);
  Components c{.of_voxel = std::vector<std::int32_t>(mask.size()), .voxels = {}};
  Sets sets;
  static_cast<void>(sets.add());  // 0: outside
  std::int64_t v = 0;
  for (std::int64_t d = 0; d < size[0]; ++d) {
    for (std::int64_t h = 0; h < size[1]; ++h) {
      for (std::int64_t w = 0; w < size[2]; ++w, ++v) {
        if (mask[at(v)] == 0) { continue; }
        std::int32_t number = 0;
        for (const Step& s : steps) {
          if (d + s.d < 0 || h + s.h < 0 || h + s.h >= size[1] || w + s.w < 0 || w + s.w >= size[2]) { continue; }
          const std::int32_t other = c.of_voxel[at(v + (s.d * size[1] + s.h) * size[2] + s.w)];
          if (other != 0) { number = number == 0 ? sets.root(other) : sets.join(number, other); }
        }
        c.of_voxel[at(v)] = number == 0 ? sets.add() : number;
      }
    }
  }
  std::vector<std::int32_t> numbers(sets.size());
  for (std::int32_t& number : c.of_voxel) {
    if (number == 0) { continue; }
    std::int32_t& known = numbers[at(sets.root(number))];
    if (known == 0) {
      c.voxels.push_back(0);
      known = static_cast<std::int32_t>(c.voxels.size());
    }
    number = known;
    ++c.voxels[at(number - 1)];
  }
  return c;
}

}  // namespace vox
