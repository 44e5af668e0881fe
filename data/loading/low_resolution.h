#pragma once

#include <span>
#include <vector>

#include "data/image.h"

namespace vox {

/// What is left of one channel [D,H,W] that was sampled at round(scale * extent) voxels along each axis (halves to
/// even, at least 1) by nearest neighbours and brought back by linear interpolation, as PyTorch's interpolate() does it
/// by nearest-exact and trilinear: voxel i of n is voxel floor((i + 1/2) extent/n) of the channel; voxel o of the
/// result lies at max((o + 1/2) n/extent - 1/2, 0) among those n, and the last of them goes on. scale in (0,1]; 1
/// changes nothing. scratch: holds the small volume.
void lower_resolution(std::span<float> channel, const Extent3& size, double scale, std::vector<float>& scratch);

}  // namespace vox
