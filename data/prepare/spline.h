#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "data/image.h"

namespace vox {

// Another spacing, as nnU-Net's default preprocessing makes it: images by a cubic spline, labels class by class.

/// in [D,H,W] of `from`, cut to `box` and resized to `to` by the cubic spline that passes through every voxel, in
/// double along one axis after another: y(x) = sum_k c_k B3(x - k), with c such that y(k) is voxel k (M. Unser, A.
/// Aldroubi, M. Eden, "B-spline signal processing", IEEE Trans. Signal Processing 41, 1993). Output voxel o lies at x =
/// (o + 1/2) * in/out - 1/2; beyond its ends the box goes on with its last values; the result is clamped to the range
/// of the box. What skimage.transform.resize(order=3, mode="edge", anti_aliasing=False) does. An axis whose extent does
/// not change is copied, bit for bit. Throws Error for a box outside the volume or an empty one.
[[nodiscard]] LargeVector<float> resize_cubic(std::span<const float> in, const Extent3& from, const Box& box,
                                              const Extent3& to, int threads = 1);

/// The class whose mask (1 where a voxel is of it, 0 elsewhere), interpolated trilinearly as by resize_trilinear(), is
/// the greatest, the lower one of equals. Classes 0 to 3.
[[nodiscard]] LargeVector<std::uint8_t> resize_classes(std::span<const std::uint8_t> in, const Extent3& from,
                                                       const Box& box, const Extent3& to, int threads = 1);

}  // namespace vox
