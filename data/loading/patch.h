#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "data/image.h"
#include "data/loading/augment.h"
#include "data/prepare/prepared_case.h"

namespace vox {

/// Samples are patches of cases, not whole ones. Some are made to hold foreground, by nnU-Net's rule (v2,
/// oversample_foreground_percent): sample s of a batch of n is where s >= round(n (1 - foreground)), halves to even. A
/// batch of 1, for which that would be always or never, draws it with probability `foreground`.
struct PatchOptions {
  Extent3 size{};            ///< voxels along D, H, W
  double foreground = 0.33;  ///< share, in [0,1]
  bool regions = false;      ///< foreground is of WT, TC or ET as for region-based training, not of class 1, 2 or 3
};
/// Throws Error for an empty patch or a share that is none.
void check_patch(const PatchOptions&);

[[nodiscard]] bool wants_foreground(const PatchOptions&, std::int64_t batch, std::int64_t place_in_batch,
                                    const SampleKey&);

/// Where a patch lies in its case. With foreground: about a voxel drawn from the positions of a class (or region), that
/// drawn from those that the case has, but moved inside the case. Otherwise, and in a case without foreground, anywhere
/// inside it with equal probability. Along an axis on which the case is smaller it lies in the middle, the odd voxel
/// behind. Throws DataError for a position outside the case.
[[nodiscard]] Box draw_patch(const PreparedFile&, const PatchOptions&, const SampleKey&, bool foreground);

/// What a run should know of its cases, one sentence each: how many are smaller than the patch, and how many hold no
/// foreground. Throws DataError for a case without labels or without positions.
[[nodiscard]] std::vector<std::string> patch_notes(std::span<const std::filesystem::path> files, const PatchOptions&);

}  // namespace vox
