#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>
#include <utility>

#include "data/cases/label_convention.h"
#include "data/image.h"

namespace vox {

/// The three nested regions that BraTS scores, as unions of classes (0 background, 1 necrotic and non-enhancing,
/// 2 oedema, 3 enhancing): whole tumour = 1,2,3; tumour core = 1,3; enhancing tumour = 3.
enum class Region : std::uint8_t { wt, tc, et };
inline constexpr std::array<Region, 3> kRegions{Region::wt, Region::tc, Region::et};
[[nodiscard]] std::string_view name(Region);  ///< "WT", "TC", "ET"
[[nodiscard]] bool in_region(Region, int cls);

/// Voxels of one yes-or-no question.
struct BinaryCounts {
  std::int64_t tp = 0;
  std::int64_t fp = 0;
  std::int64_t fn = 0;
  std::int64_t tn = 0;
};

/// dice = 2 tp / (2 tp + fp + fn)      iou = tp / (tp + fp + fn)       sensitivity (recall) = tp / (tp + fn)
/// specificity = tn / (tn + fp)        precision = tp / (tp + fp)      accuracy = (tp + tn) / all
/// f1 = the harmonic mean of precision and sensitivity: of one mask it is the same number as dice.
/// Empty masks (BraTS): both empty scores 1 everywhere; exactly one empty scores 0 in dice, iou, sensitivity, precision
/// and f1. Specificity of a question that has no negatives is 1.
/// hd95_mm: see data/scoring/hd95.h.
struct RegionScores {
  double dice = 0;
  double iou = 0;
  double sensitivity = 0;
  double specificity = 0;
  double precision = 0;
  double f1 = 0;
  double accuracy = 0;
  double hd95_mm = 0;
};

/// Names as they stand in summary.json and cases.csv.
inline constexpr std::array<std::pair<std::string_view, double RegionScores::*>, 8> kRegionScores{{
    {"dice", &RegionScores::dice},
    {"hd95", &RegionScores::hd95_mm},
    {"sensitivity", &RegionScores::sensitivity},
    {"specificity", &RegionScores::specificity},
    {"iou", &RegionScores::iou},
    {"precision", &RegionScores::precision},
    {"f1", &RegionScores::f1},
    {"accuracy", &RegionScores::accuracy},
}};

[[nodiscard]] RegionScores overlap_scores(const BinaryCounts&);  ///< all but hd95_mm

/// Classes counted against each other; sums over cases, batches and threads are exact.
struct Confusion {
  std::array<std::array<std::int64_t, kClasses>, kClasses> counts{};  ///< [truth][predicted] voxels

  void add(std::span<const std::uint8_t> truth, std::span<const std::uint8_t> predicted);
  /// From scores or probabilities: class c of voxel v is scores[v * voxel_stride + c * class_stride], the largest wins,
  /// the lowest class on ties. Blocked volumes are (8, 1), planar ones (1, voxels).
  void add_argmax(std::span<const std::uint8_t> truth, std::span<const float> scores, std::int64_t voxel_stride,
                  std::int64_t class_stride);
  /// From logits of the regions WT, TC, ET: a region is there where its logit is above 0, its probability above 1/2
  /// (data/cases/regions.h).
  void add_regions(std::span<const std::uint8_t> truth, std::span<const float> logits, std::int64_t voxel_stride,
                   std::int64_t region_stride);
  Confusion& operator+=(const Confusion&);

  [[nodiscard]] std::int64_t voxels() const;
  [[nodiscard]] BinaryCounts of_class(int cls) const;
  [[nodiscard]] BinaryCounts of_region(Region) const;
  /// What a prediction of nothing but background would have counted on the same truth: the trivial baseline.
  [[nodiscard]] Confusion all_background() const;
};

enum class MacroOver : std::uint8_t { all_classes, foreground };

/// Plain means over classes of the scores above. A class that is neither in the truth nor in the prediction says
/// nothing and is left out of the mean; where no class is left, every score is 1.
/// accuracy is no mean: right voxels / all voxels; with the background left out, over the voxels that are not
/// background in both.
struct MacroScores {
  double iou = 0;
  double accuracy = 0;
  double precision = 0;
  double recall = 0;
  double f1 = 0;
};
/// Names as they stand in summary.json and log.jsonl.
inline constexpr std::array<std::pair<std::string_view, double MacroScores::*>, 5> kMacroScores{{
    {"iou", &MacroScores::iou},
    {"accuracy", &MacroScores::accuracy},
    {"precision", &MacroScores::precision},
    {"recall", &MacroScores::recall},
    {"f1", &MacroScores::f1},
}};
[[nodiscard]] MacroScores macro_scores(const Confusion&, MacroOver);

using CaseScores = std::array<RegionScores, kRegions.size()>;  ///< indexed by Region

class ScoredCase;
/// The same bits for any thread count. Distances take the truth's spacing.
[[nodiscard]] CaseScores score_case(ScoredCase&);
/// Both in classes 0..3 and of one size.
[[nodiscard]] CaseScores score_case(const LabelMap& truth, const LabelMap& predicted, int threads);
/// The scores that a prediction of nothing but background gets on this truth.
[[nodiscard]] CaseScores score_all_background(const Confusion&);
[[nodiscard]] CaseScores mean_scores(std::span<const CaseScores>);

}  // namespace vox
