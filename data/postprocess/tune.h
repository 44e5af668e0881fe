#pragma once

#include <array>
#include <functional>
#include <string>
#include <vector>

#include "data/postprocess/postprocess.h"

namespace vox {

/// A case that rules are tuned on: classes 0..3 of truth and prediction, cut to where one of them is not background.
struct TuningCase {
  std::string id;
  LabelMap truth;
  LabelMap predicted;
};
/// Throws Error where the two have other sizes.
[[nodiscard]] TuningCase tuning_case(std::string id, const LabelMap& truth, const LabelMap& predicted);

using RegionDice = std::array<double, kRegions.size()>;  ///< WT, TC, ET: mean over cases, BraTS' rule for empty masks

struct Tuned {
  PostprocessRules rules;
  RegionDice before{};
  RegionDice after{};
  /// Each case with the rules that all the others give: what the gain is worth on cases that were not tuned on.
  RegionDice held_out{};
};

/// Rules by which the mean over cases and regions of Dice is largest, one rule after the other: of each the values are
/// tried with those before it as they were chosen, and only what is better than nothing by more than 1e-6 is taken.
///   keep_largest WT; min_component_mm3 of WT, TC, ET (10 to 5000); min_enhancing_mm3 (10 to 2000); fill_holes WT, TC
/// (nnU-Net's determine_postprocessing tries the first alone.) progress(tried): rules that have been tried on all
/// cases. The same result for any number of threads. Throws Error for no cases.
[[nodiscard]] Tuned tune(const std::vector<TuningCase>&, int threads = 1,
                         const std::function<void(std::int64_t tried)>& progress = {});

/// The rules' JSON with what they were tuned on, for a file.
[[nodiscard]] std::string to_json(const Tuned&, const std::vector<TuningCase>&);

}  // namespace vox
