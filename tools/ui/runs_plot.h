#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace vox {

/// What is drawn of runs, a panel each: losses of training and validation, and the Dice of the validation cases.
inline constexpr std::array<const char*, 6> kCurvePanels{"training loss", "validation loss", "Dice, mean of regions",
                                                         "Dice WT",       "Dice TC",         "Dice ET"};

struct CurveRow {
  std::int64_t epoch = 0;
  std::array<double, kCurvePanels.size()> mean{};    ///< NaN: not measured in this epoch
  std::array<double, kCurvePanels.size()> spread{};  ///< drawn as a band of mean +- spread; NaN: none
};

struct Curve {
  std::string name;  ///< in the legend
  std::vector<CurveRow> rows;
};

/// Draws all of them into one picture, PNG or SVG by the name's ending, with gnuplot as a child process. The file
/// appears whole or not at all. Throws Error for another ending, for no rows, where gnuplot is absent or fails, and
/// OutputError where the file cannot be written.
void plot_runs(const std::filesystem::path&, const std::vector<Curve>&);

}  // namespace vox
