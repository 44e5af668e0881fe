#pragma once

#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "data/scoring/scored_case.h"

namespace vox {

// How a challenge or a program scores, as data: `evaluate --as NAME`. To add one: write a Convention into a file of its
// own and name the function that returns it in all_conventions() (convention.cpp). Table, JSON, CSV, the trivial
// baseline, the means and the lines on why two conventions differ follow from it.

enum class Better : std::uint8_t { more, less, neither };

/// A column of a convention.
struct ScoreRule {
  std::string key;    ///< in JSON and CSV, "hd95". Equal keys of two conventions stand side by side
  std::string title;  ///< in the table, "HD95"
  std::string unit;   ///< "mm", "ml", "voxels"; empty for a share
  Better better = Better::more;
  /// How this convention computes it, as what it does: "pools both directions". Two conventions that have the same
  /// words say that they differ in nothing but their empty cases.
  std::string does;
  std::string empty;  ///< what empty masks score: "both empty 0, one empty 373.12866"
};

/// What NaN means for the mean over cases.
enum class MeanOver : std::uint8_t {
  all_cases,     ///< no score is NaN; were one, the mean would be
  scored_cases,  ///< NaN is left out (numpy.nanmean); all of them NaN: the mean is
};

/// One number for all regions, which the program that is followed prints as its score.
enum class OverRegions : std::uint8_t {
  none,
  of_means,  ///< the mean of the regions' means
  of_cases   ///< of each case over the regions that have a score, then over the cases that have one
};

struct Convention {
  std::string name;   ///< as on the command line, "brats2023-gli"
  std::string about;  ///< one line: whose rules they are
  std::vector<ScoredRegion> regions;
  std::vector<ScoreRule> scores;
  MeanOver mean = MeanOver::all_cases;
  OverRegions over_regions = OverRegions::none;
  /// Scores of one case and region, in the order of `scores`; what it does not write stays NaN. It is called for every
  /// one of `regions` that the case's labels have, and once more on ScoredCase::all_background().
  std::function<void(ScoredCase&, const ScoredRegion&, std::span<double>)> score;
};

/// Every convention there is, in the order in which they are listed.
[[nodiscard]] const std::vector<Convention>& all_conventions();
/// By name; "brats2023" is "brats2023-gli", and so for other years. nullptr where there is none.
[[nodiscard]] const Convention* find_convention(std::string_view name);
[[nodiscard]] std::string all_convention_names();  ///< "brats2020, nnunet, ...": for messages

/// [region][score] of one convention.
using ScoreTable = std::vector<std::vector<double>>;

/// What a file's labels can say beside WT, TC and ET.
struct LabelParts {
  bool cavity = false;
  bool cyst = false;
};
[[nodiscard]] bool has_region(const LabelParts&, const ScoredRegion&);

/// A region that the labels do not have is NaN.
[[nodiscard]] ScoreTable score_as(const Convention&, ScoredCase&, const LabelParts&);

/// One convention over all cases.
struct ConventionScores {
  const Convention* convention = nullptr;
  std::vector<ScoreTable> cases;
  std::vector<ScoreTable> baselines;  ///< of nothing but background, by the same rules
  ScoreTable mean;
  ScoreTable baseline;
  std::vector<double> all_regions;  ///< [score]; empty where the convention has no such number
  std::vector<double> all_regions_baseline;
  std::vector<std::vector<int>> left_out;  ///< [region][score]: cases that are NaN
};
/// Fills in means and left_out from the cases.
void take_means(ConventionScores&);

/// Where two of them disagree in a mean, a line on why: what each does, and how many cases it leaves out.
[[nodiscard]] std::vector<std::string> differences(std::span<const ConventionScores>);

/// The conventions whose scores come from whole masks: brats2020, nnunet, monai, seed, full.
[[nodiscard]] std::vector<Convention> whole_mask_conventions();
/// The lesion-wise rules of BraTS since 2023: data/scoring/lesion_rules.h.
[[nodiscard]] std::vector<Convention> lesion_conventions();

}  // namespace vox
