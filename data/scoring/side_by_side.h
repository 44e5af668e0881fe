#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "data/scoring/convention.h"
#include "engine/json.h"

namespace vox {

// Conventions beside each other: what `evaluate --as` prints and writes.

/// A row per region and score, a column per convention: "0.8912 (0.0000)", the mean and in brackets that of nothing but
/// background; "-" where no case has a score, empty where the convention has no such score. The first row is the
/// header.
[[nodiscard]] std::vector<std::vector<std::string>> side_by_side(const std::vector<ConventionScores>&);

/// What each convention does, a line each with its own name and scores.
[[nodiscard]] std::vector<std::string> rules_in_words(const std::vector<ConventionScores>&);

/// {"about", "mean_over": "all cases" or "cases that have the score", "scores": {KEY: {"title", "unit", "better",
/// "rule", "empty"}}, "mean": {REGION: {KEY: number, null where there is none}}, "baseline_all_background": {REGION:
/// ...}, where there is one number for all "all_regions": {KEY}, "all_regions_baseline": {KEY}, "left_out": {REGION:
/// {KEY: cases}}, "cases": {ID: {REGION: ...}}}
[[nodiscard]] Json as_json(const ConventionScores&, const std::vector<std::string>& ids);

[[nodiscard]] std::string as_csv_header(const ConventionScores&);  ///< ",monai:WT_dice,monai:WT_hd95,..."
[[nodiscard]] std::string as_csv_fields(const ConventionScores&, std::size_t of_case);

}  // namespace vox
