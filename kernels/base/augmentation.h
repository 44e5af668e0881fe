#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "kernels/base/philox.h"

namespace vox {

/// Which voxel of a sample comes where. Arrays are by axis: D, H, W.
struct Movement {
  std::array<bool, 3> flip{};
  bool rotated = false;
  std::array<double, 9> rotation{1, 0, 0, 0, 1, 0, 0, 0, 1};  ///< row-major, on (D,H,W), about the centre
  std::array<std::int64_t, 3> shift{};                        ///< voxels
};

/// x * scale + offset
struct ChannelLine {
  float scale = 1;
  float offset = 0;
};

/// What was drawn for a sample. out[o] = rotated(in)[flipped(o - shift)], rotated(in)[p] = in(R^T (p - centre) +
/// centre), trilinear for the image, nearest for the label, 0 outside; a sample that is not rotated is copied, bit for
/// bit. Then intensity, then noise, both where a channel is not 0.
struct Augmentation {
  Movement movement{};
  std::vector<ChannelLine> intensity{};  ///< by channel; empty: as it is
  float noise_sigma = 0;                 ///< value i of [C,D,H,W] gets this times normal number i % 4 of Philox group
  std::uint64_t noise_group = 0;         ///< noise_group + i / 4 of the key `noise` (kernels/base/normal.h)
  RandomKey noise{};
};

}  // namespace vox
