#include "data/prepare/foreground.h"

#include <algorithm>

#include "kernels/base/philox.h"

namespace vox {
namespace {

constexpr std::uint64_t kSeed = 1234;                   // fixed, and nnU-Net's
constexpr std::uint32_t kPlacePositions = 0xDA7A0005U;  // beside those of data/loading/shuffle.h

}  // namespace

std::array<std::vector<std::int64_t>, kClasses - 1> foreground_positions(std::span<const std::uint8_t> label) {
  std::array<std::size_t, 256> left{};  // voxels of a class that are still to come
  for (const std::uint8_t c : label) { ++left[c]; }
  std::array<std::vector<std::int64_t>, kClasses - 1> positions;
  for (std::size_t i = 0; i < label.size(); ++i) {
    const std::size_t c = label[i];
    if (c == 0 || c >= kClasses) { continue; }
    std::vector<std::int64_t>& taken = positions[c - 1];
    // Selection sampling (Knuth, TAOCP 2, 3.4.2, algorithm S): each voxel with the share that is still wanted.
    const auto wanted = static_cast<double>(std::min(kMostPositions, taken.size() + left[c]) - taken.size());
    const RandomKey key{.seed = kSeed, .step = static_cast<std::uint32_t>(c), .place = kPlacePositions};
    if (wanted == static_cast<double>(left[c]) ||
        unit(random4(key, left[c]).v[0]) * static_cast<double>(left[c]) < wanted) {
      taken.push_back(static_cast<std::int64_t>(i));
    }
    --left[c];
  }
  return positions;
}

}  // namespace vox
