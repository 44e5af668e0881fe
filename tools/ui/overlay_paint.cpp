#include "tools/ui/overlay_paint.h"

#include <array>

namespace vox {
namespace {

constexpr double kOpacity = 0.55;

/// A plane as a picture: pixel(i) is the colour of voxel i.
template <class Pixel> Pixels paint(const Geometry& g, const Plane& p, const Pixel& pixel) {
  Pixels picture{.width = p.width, .height = p.height};
  for (std::int64_t y = 0; y < p.height; ++y) {
    for (std::int64_t x = 0; x < p.width; ++x) {
      std::array<std::int64_t, 3> at{};
      for (std::size_t k = 0; k < 3; ++k) { at[k] = p.origin[k] + x * p.right[k] + y * p.down[k]; }
      picture.argb.push_back(pixel(static_cast<std::size_t>((at[0] * g.size[1] + at[1]) * g.size[2] + at[2])));
    }
  }
  return picture;
}

}  // namespace

Pixels paint_image(const Image& image, const Plane& plane, const Window& window) {
  return paint(image.geometry, plane,
               [&](std::size_t i) { return grey(static_cast<double>(image.values[i]), window.black, window.white); });
}

Pixels paint_classes(const LabelMap& classes, const Plane& plane) {
  return paint(classes.geometry, plane, [&](std::size_t i) {
    const std::uint8_t cls = classes.values[i];
    const Colour& colour = kClassColours[cls];
    return cls == 0 ? 0U : argb(kOpacity, colour.red, colour.green, colour.blue);
  });
}

}  // namespace vox
