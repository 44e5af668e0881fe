#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "data/cases/edition.h"
#include "data/scoring/convention.h"
#include "data/scoring/metrics.h"

namespace vox {

class Communicator;

struct EvaluateOptions {
  std::filesystem::path truth;                           ///< see pair_labels()
  std::filesystem::path predicted;                       ///< see pair_labels()
  std::optional<LabelConvention> labels = {};            ///< of both; found by names and labels where it is not given
  std::optional<LabelConvention> predicted_labels = {};  ///< of the predictions, where they differ
  bool allow_missing = false;                            ///< a case without a prediction is left out, and listed
  int threads = 1;                                       ///< cases at a time
  double tolerance_mm = 1;                               ///< of surface Dice, where a convention leaves it open
  std::vector<const Convention*> as = {};                ///< score by these as well, as they are named
  /// Ranks that share the cases, all of which call evaluate() and get the result; nullptr: nobody does.
  Communicator* ranks = nullptr;
  /// Counts the voxels of a case; empty: Confusion::add(). May be called from several threads.
  std::function<Confusion(std::span<const std::uint8_t> truth, std::span<const std::uint8_t> predicted)> count = {};
};

struct EvaluatedCase {
  std::string id;
  LabelConvention truth_labels;
  LabelConvention predicted_labels;
  bool unit_unknown = false;  ///< a file names no unit of length: mm is assumed
  CaseScores scores;
  CaseScores baseline;  ///< what a prediction of nothing but background would score
  Confusion classes;    ///< its voxels
  LabelParts parts;     ///< what both its files can say
};

struct Evaluation {
  std::vector<EvaluatedCase> cases;  ///< sorted by id
  std::vector<std::string> missing;  ///< cases without a prediction
  std::vector<std::string> extras;   ///< predictions without a case
  CaseScores mean;
  CaseScores baseline;               ///< mean
  std::vector<ConventionScores> as;  ///< in the order of EvaluateOptions::as
  Confusion classes;  ///< voxels of all cases: macro_scores() of it are the scores that training's validation has
};

/// Scores every case; calls progress(done, all) after each of this rank's, one call at a time. Throws DataError: a case
/// without a prediction, another place (data/check/same_place.h), an unknown or ambiguous label. All the cases that
/// cannot be scored are named in one message.
[[nodiscard]] Evaluation evaluate(const EvaluateOptions&,
                                  const std::function<void(std::int64_t done, std::int64_t all)>& progress = {});

/// {"mean": {"WT": {"dice", "hd95", ...}, "TC", "ET"}, "cases": {ID: ...}, "baseline_all_background": ...,
/// "classes": {"all_classes": {"iou", "accuracy", "precision", "recall", "f1"}, "foreground": ...},
/// "classes_baseline_all_background": ..., "missing": [...], "conventions": {...}}; with conventions as well
/// "as": {NAME: as_json()}, "differences": [lines] (data/scoring/side_by_side.h)
[[nodiscard]] std::string summary_json(const Evaluation&);
/// One row per case, one column per region and score: WT_dice, WT_hd95, ...; then, by
/// convention, NAME:REGION_KEY, empty where there is no score.
[[nodiscard]] std::string cases_csv(const Evaluation&);

}  // namespace vox
