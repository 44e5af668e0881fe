#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace vox {

/// What a patch may be about: classes 1, 2 and 3, the whole tumour (all of them) and its core (1 and 3).
enum class Foreground : std::uint8_t { necrotic, oedema, enhancing, whole_tumour, core };
inline constexpr std::array kForegrounds{Foreground::necrotic, Foreground::oedema, Foreground::enhancing,
                                         Foreground::whole_tumour, Foreground::core};
/// As class-based training draws, and as region-based training does.
inline constexpr std::array kForegroundClasses{Foreground::necrotic, Foreground::oedema, Foreground::enhancing};
inline constexpr std::array kForegroundRegions{Foreground::whole_tumour, Foreground::core, Foreground::enhancing};

[[nodiscard]] std::string_view name(Foreground);  ///< "1", "2", "3", "wt", "tc"

/// Most positions that a prepared case keeps of each: nnU-Net's number.
inline constexpr std::size_t kMostPositions = 10'000;

/// Where voxels of a foreground lie in a label, as indices into it, ascending: all of them, or a sample without
/// replacement of kMostPositions, a function of the label alone. nnU-Net's class_locations: a patch with tumour is
/// found without a scan.
[[nodiscard]] std::vector<std::int64_t> foreground_positions(std::span<const std::uint8_t> label, Foreground);

}  // namespace vox
