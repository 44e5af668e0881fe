#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "data/image.h"

namespace vox {

/// Voxel index along D, H, W of the three planes to show.
using Slices = std::array<std::int64_t, 3>;

/// Per axis the plane with the most tumour voxels, the first of equals; the middle planes where there is no tumour.
[[nodiscard]] Slices slices_with_most(const LabelMap& classes);
[[nodiscard]] bool has_tumour(const LabelMap& classes);
/// The slice along D with the most tumour, the first of equals; the middle one where there is none.
[[nodiscard]] std::int64_t slice_to_show(std::span<const std::uint8_t> label, const Extent3& size);

/// Grey values that become black and white: the 1st and 99th percentile of what is not zero.
struct Window {
  double black = 0;
  double white = 1;
};
[[nodiscard]] Window window_of(std::span<const float> values);
[[nodiscard]] inline Window window_of(const Image& image) { return window_of(image.values); }

/// Voxels to show, along D, H, W.
struct Extent {
  std::array<std::int64_t, 3> low{};
  std::array<std::int64_t, 3> high{};  ///< one past the last
};

/// Where a point of a picture lies in the volume: upright, radiological convention (the patient's right is at the left
/// of the page), anterior up or left, superior up.
enum class View : std::uint8_t { axial, coronal, sagittal };
/// One plane as rows of pixels, top row first.
struct Plane {
  std::int64_t width = 0;
  std::int64_t height = 0;
  double pixel_width_mm = 0;
  double pixel_height_mm = 0;
  std::array<const char*, 4> marks{};    ///< left, right, top, bottom: "R", "L", "A", "P"
  std::array<std::int64_t, 3> origin{};  ///< D, H, W of the top left pixel
  std::array<std::int64_t, 3> right{};   ///< step in D, H, W for one pixel to the right
  std::array<std::int64_t, 3> down{};    ///< and down
};
[[nodiscard]] Plane plane_of(const Geometry&, View, const Slices&, const Extent&);

/// What is not zero in any of the volumes, the slices, and a margin: most of a BraTS volume is empty. No truth: null.
[[nodiscard]] Extent extent_of(const Image&, const LabelMap& prediction, const LabelMap* truth, const Slices&);

}  // namespace vox
