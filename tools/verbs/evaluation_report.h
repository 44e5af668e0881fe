#pragma once

#include <filesystem>
#include <string>

#include "data/scoring/evaluate.h"

namespace vox {

/// The page of an evaluation (tools/report/page.h): every score of every case, whatever "cases" of the summary has, how
/// they spread beside a prediction of nothing, and the worst, the median and the best case by mean Dice in three
/// planes, on their FLAIR where the truth is a folder of cases. summary: summary_json() of what these options gave.
void write_evaluation_report(const std::filesystem::path& html, const std::string& summary, const EvaluateOptions&);

}  // namespace vox
