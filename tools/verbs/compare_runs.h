#pragma once

#include <filesystem>
#include <string>

#include "engine/json.h"
#include "tools/run/run_record.h"

namespace vox {

/// What is printed of two runs, and the same as JSON.
struct ComparedText {
  std::string text;
  Json json = Json::object();
  bool differ = false;  ///< to the bit; said by compare_bits() alone
};

/// Settings that differ, scores, time, and Wilcoxon's test and an interval over the cases that both validated.
[[nodiscard]] ComparedText compare_runs(const RunRecord& a, const RunRecord& b);

/// The first step in which the two are not the same: its cases, loss, gradient norm, learning rate, or the weights it
/// left (by digest). Throws DataError where no step is in both.
[[nodiscard]] ComparedText compare_bits(const RunRecord& a, const RunRecord& b);

/// Two series of --seeds or --fold all: mean and spread of each, the difference of the means with Welch's interval over
/// seeds (data/scoring/independent.h), and the test over cases, of which each counts with its mean over seeds.
[[nodiscard]] ComparedText compare_series(const std::filesystem::path& a, const std::filesystem::path& b);

// What they share.

/// Settings and builds that differ, as text and as JSON {"settings": {KEY: {"a", "b"}}, "program": ...}.
[[nodiscard]] ComparedText differing_settings(const RunRecord& a, const RunRecord& b);

using CaseDice = std::map<std::string, SeriesDice>;
/// The paired test over the cases that are in both. what: the validation they are of.
[[nodiscard]] ComparedText paired_cases(const CaseDice& a, const CaseDice& b, const std::string& what);

}  // namespace vox
