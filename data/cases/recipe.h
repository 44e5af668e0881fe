#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "data/cases/dataset.h"
#include "data/image.h"

namespace vox {

/// How a case becomes what the network sees.
enum class RecipeKind : std::uint8_t {
  tutorial,  ///< flair, t1ce, t2; every axial slice scaled to [0,1] on its own, then a fixed crop of 128^3
  seed,      ///< t1, t1ce, t2, flair; the whole volume scaled to [0,1], then resized
  zscore,    ///< t1, t1ce, t2, flair; mean 0 and deviation 1 inside the brain, cropped to the brain, resized
  native     ///< the same images, brought to one spacing instead of one size: every case has extents of its own
};
[[nodiscard]] std::string_view name(RecipeKind);

/// The tutorial's crop of BraTS' 240x240x155: [13:141] along D, [56:184] along H and W.
inline constexpr Box kTutorialCrop{{13, 56, 56}, {128, 128, 128}};

struct Recipe {
  RecipeKind kind = RecipeKind::seed;
  std::vector<Modality> modalities;    ///< channel order
  std::int64_t size = 128;             ///< edge of the network's cube in voxels; 0: there is no cube (native)
  double min_tumour_fraction = 0;      ///< labelled cases with this fraction of tumour voxels or less are left out
  std::array<double, 3> spacing_mm{};  ///< native: voxel edge along D, H, W; 0 each: every case keeps its own
  friend bool operator==(const Recipe&, const Recipe&) = default;
};

/// Is every case of it a cube of `size`?
[[nodiscard]] bool is_cube(const Recipe&);

/// "tutorial" (128 only), "seed", "zscore"; size is the edge of the cube in voxels, >= 8. "native", of 1 mm, has none,
/// whatever size says. Throws Error otherwise.
[[nodiscard]] Recipe recipe_named(std::string_view kind, std::int64_t size = 128);
/// "1,1,1" (along D, H, W), "1" (along all) or "keep", which is 0 each, and back. Throws Error for anything else, and
/// unless each is above 0 and at most 100 mm.
[[nodiscard]] std::array<double, 3> spacing_named(std::string_view text);
[[nodiscard]] std::string spacing_text(const std::array<double, 3>&);
/// "seed at 128^3", "native at 1,1,1 mm" or "native, spacing kept".
[[nodiscard]] std::string recipe_text(const Recipe&);
/// "flair,t1ce,t2" and back; throws Error for a name that is no modality or occurs twice.
[[nodiscard]] std::string modality_list(const std::vector<Modality>&);
[[nodiscard]] std::vector<Modality> modalities_listed(std::string_view);

}  // namespace vox
