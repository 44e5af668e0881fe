#pragma once

#include <array>
#include <cstdint>

namespace vox {

/// What region-based networks of BraTS predict, each with a probability of its own: the whole tumour (classes 1, 2, 3),
/// its core (1, 3) and its enhancing part (3). Class of what is in a region and in none of those behind it: oedema,
/// necrotic, enhancing.
inline constexpr std::array<std::uint8_t, 3> kClassOfRegion{2, 1, 3};

/// The class of a voxel from what is above its threshold, region by region in that order: the last one that is decides,
/// whether or not it lies in those before, as nnU-Net's regions_class_order has it. Background where none is.
/// above(r): is the region's probability above 1/2?
template <class Above> [[nodiscard]] constexpr std::uint8_t class_of_regions(const Above& above) {
  std::uint8_t cls = 0;
  for (std::size_t r = 0; r < kClassOfRegion.size(); ++r) {
    if (above(r)) { cls = kClassOfRegion[r]; }
  }
  return cls;
}

}  // namespace vox
