#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "data/cases/dataset.h"
#include "data/image.h"

namespace vox {

/// A made-up head with a tumour, as BraTS would deliver it: skull-stripped, 240x240x155 mm, four modalities.
struct PhantomOptions {
  std::array<std::int64_t, 3> size{155, 240, 240};  ///< voxels along D, H, W, 16 to 512; the head keeps its size in mm
  std::uint64_t seed = 0;
  std::uint32_t case_index = 0;                             ///< another head and tumour for every index
  std::optional<bool> enhancing{};                          ///< does the tumour enhance? drawn (85 %) when not given
  std::optional<double> tumour_radius_mm{};                 ///< of the whole tumour; drawn from 18 to 38 when not given
  std::optional<std::array<double, 3>> tumour_centre_mm{};  ///< L, P, S from the grid's centre; drawn when not given
};

struct Phantom {
  std::array<Image, 4> images;  ///< by Modality; whole numbers as in int16 files; 0 outside the brain, > 0 inside
  LabelMap labels;              ///< BraTS numbers: 0, 1 necrotic or non-enhancing, 2 oedema, 4 enhancing
};

/// The same phantom for the same options, on any number of threads. Throws Error for a size out of range.
[[nodiscard]] Phantom make_phantom(const PhantomOptions&, int threads = 1);

}  // namespace vox
