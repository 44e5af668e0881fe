#include "data/prepare/native.h"

#include <algorithm>
#include <cmath>

#include "data/prepare/resample.h"
#include "data/prepare/spline.h"
#include "kernels/base/check.h"

namespace vox {

Extent3 native_size(const Geometry& source, const Box& box, const std::array<double, 3>& wanted_mm,
                    const std::string& file) {
  constexpr double kMost = 1024;
  Extent3 size = box.size;
  for (std::size_t a = 0; a < 3; ++a) {
    if (wanted_mm[a] == 0) { continue; }
    const double voxels = std::nearbyint(static_cast<double>(box.size[a]) * source.spacing_mm[a] / wanted_mm[a]);
    VOX_CHECK_DATA(voxels <= kMost, "{}: {} voxels of {} mm would be {} of {} mm along axis {} (D,H,W), at most {} fit",
                   file, box.size[a], source.spacing_mm[a], voxels, wanted_mm[a], a, kMost);
    size[a] = std::max<std::int64_t>(static_cast<std::int64_t>(voxels), 1);
  }
  return size;
}

LargeVector<float> native_image(std::span<const float> values, std::span<const std::uint8_t> brain, const Extent3& from,
                                const Extent3& to, int threads) {
  const Box whole{.start = {}, .size = from};
  LargeVector<float> image = resize_cubic(values, from, whole, to, threads);
  if (to == from) { return image; }
  LargeVector<float> mask(brain.size());
  std::ranges::transform(brain, mask.begin(), [](std::uint8_t b) { return b != 0 ? 1.0F : 0.0F; });
  const LargeVector<float> share = resize_trilinear(mask, from, whole, to, threads);
  for (std::size_t i = 0; i < image.size(); ++i) { image[i] = share[i] >= 0.5F ? image[i] : 0.0F; }
  return image;
}

}  // namespace vox
