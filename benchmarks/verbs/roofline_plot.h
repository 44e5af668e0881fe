#pragma once

#include <string>

#include "benchmarks/output/report.h"

namespace vox::bench {

/// Draws the lines of a table of kernels as points of a roofline: GFLOP/s over flops per byte, with the ceilings of the
/// run. Lines without flops are left out. `file` ends in .png or .svg; gnuplot draws. Throws Error saying what is
/// wrong.
void plot_roofline(const std::string& file, const Json& results);

/// The script for gnuplot, which writes to `file`.
[[nodiscard]] std::string roofline_script(const std::string& file, const Json& results);

}  // namespace vox::bench
