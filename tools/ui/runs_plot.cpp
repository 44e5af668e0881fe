#include "tools/ui/runs_plot.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "engine/atomic_file.h"
#include "engine/json_text.h"
#include "kernels/base/check.h"
#include "tools/ui/gnuplot.h"

namespace vox {
namespace {

constexpr std::array<const char*, 8> kColours{"#1f77b4", "#d62728", "#2ca02c", "#ff7f0e",
                                              "#9467bd", "#17becf", "#8c564b", "#e377c2"};

std::string number(double v) { return std::isfinite(v) ? fmt::format("{:.9g}", v) : "NaN"; }

/// In gnuplot's single quotes, in which a quote is written twice.
std::string quoted(const std::string& bytes) {
  std::string text = "'";
  for (const char c : utf8_text(bytes)) {
    text += static_cast<unsigned char>(c) < ' ' ? ' ' : c;
    if (c == '\'') { text += '\''; }
  }
  return text + "'";
}

/// Epoch, and for each panel the mean and the ends of its band.
std::string data_block(std::size_t number_of_curve, const Curve& curve) {
  std::string text = fmt::format("$curve{} << END_OF_ROWS\n", number_of_curve);
  for (const CurveRow& r : curve.rows) {
    text += fmt::format("{}", r.epoch);
    for (std::size_t p = 0; p < kCurvePanels.size(); ++p) {
      text +=
          fmt::format(" {} {} {}", number(r.mean[p]), number(r.mean[p] - r.spread[p]), number(r.mean[p] + r.spread[p]));
    }
    text += "\n";
  }
  return text + "END_OF_ROWS\n";
}

std::string panel(std::size_t p, const std::vector<Curve>& curves) {
  std::string bands;
  std::string lines;
  for (std::size_t c = 0; c < curves.size(); ++c) {
    const auto has = [&](const auto& values) {
      return std::ranges::any_of(curves[c].rows, [&](const CurveRow& r) { return std::isfinite((r.*values)[p]); });
    };
    const std::size_t column = 2 + 3 * p;
    const char* const colour = kColours[c % kColours.size()];
    if (has(&CurveRow::spread)) {
      bands += fmt::format(
          "$curve{} using 1:{}:{} with filledcurves lc rgb '{}' fs transparent solid 0.2 noborder notitle, ", c,
          column + 1, column + 2, colour);
    }
    if (has(&CurveRow::mean)) {
      lines += fmt::format("{}$curve{} using 1:{} lw 2 dt {} pt 7 lc rgb '{}' title {}", lines.empty() ? "" : ", ", c,
                           column, 1 + c / kColours.size(), colour, quoted(curves[c].name));
    }
  }
  const bool is_dice = p >= 2;
  std::string text = fmt::format("set title '{}'\nset yrange [{}]\nset key {}\n", kCurvePanels[p],
                                 is_dice ? "0:1" : "*:*", is_dice ? "bottom right" : "top right");
  if (lines.empty()) {
    return text +
           "set yrange [0:1]\nset label 1 'not measured' at graph 0.5,0.5 center\nplot NaN notitle\nunset label 1\n";
  }
  return text + "plot " + bands + lines + "\n";
}

std::string script(const std::vector<Curve>& curves, const std::string& terminal) {
  auto low = std::numeric_limits<std::int64_t>::max();
  std::int64_t high = 0;
  std::string text = terminal + "set datafile missing 'NaN'\n";
  for (std::size_t c = 0; c < curves.size(); ++c) {
    text += data_block(c, curves[c]);
    for (const CurveRow& r : curves[c].rows) {
      low = std::min(low, r.epoch);
      high = std::max(high, r.epoch);
    }
  }
  const int margin = low == high ? 1 : 0;  // one epoch is a point: an empty range would be an error
  text += fmt::format("set xrange [{}:{}]\n", low - margin, high + margin) +
          "set multiplot layout 2,3\n"
          "set grid lc rgb '#dddddd'\n"
          "set xlabel 'epoch'\n"
          "set style data linespoints\n"
          "set pointsize 0.4\n";
  for (std::size_t p = 0; p < kCurvePanels.size(); ++p) { text += panel(p, curves); }
  return text + "unset multiplot\n";
}

}  // namespace

void plot_runs(const std::filesystem::path& file, const std::vector<Curve>& curves) {
  const std::string ending = file.extension().string();
  VOX_CHECK(ending == ".png" || ending == ".svg", "{}: ends with '{}', wants .png or .svg", file.string(), ending);
  VOX_CHECK(std::ranges::any_of(curves, [](const Curve& c) { return !c.rows.empty(); }), "{}: there is nothing to draw",
            file.string());
  const Drawn drawn = run_gnuplot(script(
      curves, ending == ".png"
                  ? "set terminal pngcairo size 1500,900 noenhanced font 'DejaVu Sans,11'\n"
                  : "set terminal svg size 1500,900 dynamic noenhanced font 'DejaVu Sans,11' background '#ffffff'\n"));
  VOX_CHECK(drawn.wrong.empty(), "{} is not drawn: {}", file.string(), drawn.wrong);
  write_file(file, drawn.picture);
}

}  // namespace vox
