#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "data/cases/label_convention.h"
#include "data/image.h"
#include "data/scoring/metrics.h"

namespace vox {

/// What a convention may call a region: a union of classes and of the parts kCavity and kCyst
/// (data/cases/label_convention.h).
struct ScoredRegion {
  std::string_view name;
  std::uint8_t classes = 0;  ///< bit c is set where class c is inside
  friend bool operator==(const ScoredRegion&, const ScoredRegion&) = default;
};
inline constexpr ScoredRegion kWholeTumour{.name = "WT", .classes = 0b101110};
inline constexpr ScoredRegion kTumourCore{.name = "TC", .classes = 0b101010};
inline constexpr ScoredRegion kEnhancing{.name = "ET", .classes = 0b001000};
inline constexpr ScoredRegion kNonEnhancing{.name = "NETC", .classes = 0b000010};  ///< without a cyst
inline constexpr ScoredRegion kOedema{.name = "SNFH", .classes = 0b000100};        ///< PED calls it ED
inline constexpr ScoredRegion kResectionCavity{.name = "RC", .classes = 0b010000};
inline constexpr ScoredRegion kCystic{.name = "CC", .classes = 0b100000};
inline constexpr ScoredRegion kGrossTumour{.name = "GTV", .classes = 0b000010};  ///< MEN-RT's only label, read as 1

/// Two masks of one grid, cut to the smallest box around both.
struct MaskPair {
  Extent3 size{};                      ///< of the box; 0 where both are empty
  std::array<double, 3> spacing_mm{};  ///< the truth's
  std::vector<std::uint8_t> truth;     ///< [D,H,W], 0 or 1
  std::vector<std::uint8_t> predicted;
  BinaryCounts counts;  ///< of the whole grid

  [[nodiscard]] bool no_truth() const { return counts.tp + counts.fn == 0; }
  [[nodiscard]] bool no_prediction() const { return counts.tp + counts.fp == 0; }
};

/// The classes of two volumes, cut to the smallest box around what is not background in either.
struct ClassPair {
  Geometry whole;                   ///< the truth's
  Box box;                          ///< in it; of size 0 where both are all background
  std::vector<std::uint8_t> truth;  ///< [D,H,W] of the box
  std::vector<std::uint8_t> predicted;

  /// What a prediction of nothing but background gives; the box stays.
  [[nodiscard]] ClassPair all_background() const;
};

/// Throws Error where the sizes differ.
[[nodiscard]] ClassPair class_pair(const Geometry& whole, std::span<const std::uint8_t> truth,
                                   std::span<const std::uint8_t> predicted);
[[nodiscard]] MaskPair mask_pair(const ClassPair&, const ScoredRegion&);
/// 0 outside, anything else inside; spacing is the truth's.
[[nodiscard]] MaskPair mask_pair(const LabelMap& truth, const LabelMap& predicted);

/// Mask voxels with a face neighbour outside the mask; beyond the grid is outside. mask: 0 or 1.
[[nodiscard]] std::vector<std::uint8_t> surface_voxels(std::span<const std::uint8_t> mask, const Extent3& size);

}  // namespace vox
