#include "tools/ui/plot.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <string>

#include "engine/atomic_file.h"
#include "kernels/base/check.h"
#include "tools/ui/gnuplot.h"
#include "tools/ui/output.h"

namespace vox {
namespace {

namespace fs = std::filesystem;

std::string number(double v) { return std::isfinite(v) ? fmt::format("{:.9g}", v) : "NaN"; }

std::string data_block(std::span<const EpochRow> rows) {
  std::string text = "$rows << END_OF_ROWS\n";
  for (const EpochRow& r : rows) {
    text += fmt::format("{} {} {} {} {} {} {}\n", r.epoch, number(r.train_loss), number(r.validation_loss),
                        number(r.dice[0]), number(r.dice[1]), number(r.dice[2]), number(r.learning_rate));
  }
  return text + "END_OF_ROWS\n";
}

/// Draws on gnuplot's stdout.
std::string script(std::span<const EpochRow> rows) {
  const auto [first, last] = std::minmax_element(
      rows.begin(), rows.end(), [](const EpochRow& a, const EpochRow& b) { return a.epoch < b.epoch; });
  // One epoch is a point: an empty range would be an error.
  const double low = static_cast<double>(first->epoch) - (rows.size() == 1 ? 1 : 0);
  const double high = static_cast<double>(last->epoch) + (rows.size() == 1 ? 1 : 0);
  return "set terminal pngcairo size 1500,480 font 'DejaVu Sans,11'\n" + data_block(rows) +
         fmt::format("set xrange [{}:{}]\n", low, high) +
         "set datafile missing 'NaN'\n"
         "set multiplot layout 1,3\n"
         "set grid lc rgb '#dddddd'\n"
         "set xlabel 'epoch'\n"
         "set style data linespoints\n"
         "set pointsize 0.5\n"
         "set key top right\n"
         "set title 'loss'\n"
         "plot $rows using 1:2 lw 2 pt 7 lc rgb '#1f77b4' title 'train',"
         " '' using 1:3 lw 2 pt 7 lc rgb '#d62728' title 'validation'\n"
         "set title 'Dice of the validation cases'\n"
         "set yrange [0:1]\n"
         "set key bottom right\n"
         "plot $rows using 1:4 lw 2 pt 7 lc rgb '#2ca02c' title 'WT',"
         " '' using 1:5 lw 2 pt 7 lc rgb '#ff7f0e' title 'TC',"
         " '' using 1:6 lw 2 pt 7 lc rgb '#9467bd' title 'ET'\n"
         "set title 'learning rate'\n"
         "set yrange [0:*]\n"
         "set format y '%.1e'\n"
         "plot $rows using 1:7 lw 2 pt 7 lc rgb '#555555' notitle\n"
         "unset multiplot\n";
}

}  // namespace

void plot_training(const fs::path& png, std::span<const EpochRow> rows) {
  if (rows.empty()) { return; }
  Drawn drawn = run_gnuplot(script(rows));
  if (drawn.wrong.empty()) {
    try {
      write_file(png, drawn.picture);
    } catch (const OutputError& e) {
      note_failed_output(e.what());
      drawn.wrong = e.what();
    }
  }
  static bool said = false;  // once, not after every epoch
  if (!drawn.wrong.empty() && !said) {
    write_stderr(fmt::format("{} is not drawn: {}\n", png.string(), drawn.wrong));
    said = true;
  }
}

}  // namespace vox
