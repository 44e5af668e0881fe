#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "data/image.h"

namespace vox {

/// Where output voxel o lies in the input: in[low] * (1 - high_weight) + in[high] * high_weight. Half-pixel centres,
/// x = (o + 1/2) * in/out - 1/2 clamped to the input, as PyTorch's interpolate(align_corners=False): going down, no
/// smoothing either. Equal sizes give low = o and high_weight = 0 exactly.
struct LinearTap {
  std::int64_t low;
  std::int64_t high;
  float high_weight;
};
[[nodiscard]] std::vector<LinearTap> linear_taps(std::int64_t in, std::int64_t out);
/// The input voxel that output voxel o takes, floor((o + 1/2) * in/out): PyTorch's "nearest-exact".
[[nodiscard]] std::vector<std::int64_t> nearest_taps(std::int64_t in, std::int64_t out);

/// Blends along D and then H for one output row: row[w] for w in [0, width of the input plane). in [D,H,W] of size.
void blend_row(std::span<const float> in, const Extent3& size, const LinearTap& d, const LinearTap& h,
               std::span<float> row);

/// in [D,H,W] of `from`, cut to `box` and resized to `to`; the result is [D,H,W] of `to`.
[[nodiscard]] LargeVector<float> resize_trilinear(std::span<const float> in, const Extent3& from, const Box& box,
                                                  const Extent3& to, int threads = 1);
[[nodiscard]] LargeVector<std::uint8_t> resize_nearest(std::span<const std::uint8_t> in, const Extent3& from,
                                                       const Box& box, const Extent3& to, int threads = 1);

}  // namespace vox
