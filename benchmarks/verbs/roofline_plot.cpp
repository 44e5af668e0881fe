#include "benchmarks/verbs/roofline_plot.h"

#include <fmt/core.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <map>

#include "benchmarks/rivals/child.h"
#include "kernels/base/check.h"

namespace vox::bench {
namespace {

/// In gnuplot's single quotes nothing but the quote itself is special.
std::string quoted(const std::string& text) {
  std::string result = "'";
  for (const char c : text) { result += c == '\'' ? std::string("''") : std::string(1, c); }
  return result + "'";
}

struct Series {
  std::string points;
  int count = 0;
};

constexpr const char* kStyles[] = {"pt 7 lc rgb '#1f77b4'",  "pt 5 lc rgb '#d62728'",  "pt 9 lc rgb '#2ca02c'",
                                   "pt 11 lc rgb '#ff7f0e'", "pt 13 lc rgb '#9467bd'", "pt 15 lc rgb '#8c564b'",
                                   "pt 6 lc rgb '#1f77b4'",  "pt 4 lc rgb '#d62728'",  "pt 8 lc rgb '#2ca02c'",
                                   "pt 10 lc rgb '#ff7f0e'", "pt 12 lc rgb '#9467bd'", "pt 14 lc rgb '#8c564b'"};

/// One series of points per operator and pass, in the order they come.
std::vector<std::pair<std::string, Series>> series_of(const Json& rows) {
  std::vector<std::pair<std::string, Series>> all;
  for (const Json& row : rows) {
    if (row.value("flops", 0.0) <= 0) { continue; }
    const std::string name = row.at("op").get<std::string>() + " " + row.at("pass").get<std::string>();
    auto found = std::ranges::find_if(all, [&](const auto& s) { return s.first == name; });
    if (found == all.end()) { found = all.insert(all.end(), {name, {}}); }
    found->second.points +=
        fmt::format("{:.6g} {:.6g}\n", row.at("flops").get<double>() / row.at("bytes").get<double>(),
                    row.at("gflop_per_s").get<double>());
    ++found->second.count;
  }
  return all;
}

}  // namespace

std::string roofline_script(const std::string& file, const Json& results) {
  const Json& facts = results.at("facts");
  const auto ceiling = [&](const char* key) { return facts.at(key).at(0).get<double>() / 1e9; };
  const double flops = ceiling("ceiling_f32_flop_per_s");
  const double tensor = ceiling("ceiling_tensor_flop_per_s");
  const double copy = ceiling("ceiling_copy_bytes_per_s");
  const auto series = series_of(results.at("rows"));
  VOX_CHECK(!series.empty(), "{}: no line of the table has flops, so there is nothing to draw", file);
  std::string text = fmt::format("set terminal {}\nset output {}\n",
                                 file.ends_with(".svg") ? "svg size 1000,640 font 'DejaVu Sans,13' background '#ffffff'"
                                                        : "pngcairo size 1000,640 font 'DejaVu Sans,11'",
                                 quoted(file));
  for (std::size_t i = 0; i < series.size(); ++i) {
    text += fmt::format("$s{} << END\n{}END\n", i, series[i].second.points);
  }
  text += fmt::format(
      "set logscale xy\nset grid lc rgb '#dddddd'\nset xlabel 'flops per byte (least bytes)'\nset ylabel 'GFLOP/s'\n"
      "set key outside right top Left reverse\nset samples 1000\nset title {} noenhanced\nset xrange [0.5:2000]\n"
      "min(a,b) = a < b ? a : b\n",
      quoted(facts.value("machine", "") + ", " + facts.value("instruction set", "")));
  text += fmt::format("plot min({0:.6g}*x, {1:.6g}) lw 2 lc rgb '#333333' title '{2:.4g} GFLOP/s, {0:.4g} GB/s'", copy,
                      flops, flops);
  if (tensor > 0) {
    text += fmt::format(", min({0:.6g}*x, {1:.6g}) lw 2 dt 2 lc rgb '#333333' title '{1:.4g} GFLOP/s tensor'", copy,
                        tensor);
  }
  for (std::size_t i = 0; i < series.size(); ++i) {
    text += fmt::format(", $s{} using 1:2 with points ps 1.2 {} title {} noenhanced", i,
                        kStyles[i % std::size(kStyles)], quoted(series[i].first));
  }
  return text + "\nunset output\n";
}

void plot_roofline(const std::string& file, const Json& results) {
  VOX_CHECK(file.ends_with(".png") || file.ends_with(".svg"), "--plot {}: wants a name in .png or .svg", file);
  const std::filesystem::path script = file + ".gnuplot";
  std::ofstream out(script);
  out << roofline_script(file, results);
  VOX_CHECK(out.flush().good(), "{}: cannot be written", script.string());
  out.close();
  const int code = run_program({"gnuplot", script.string()});
  VOX_CHECK(code >= 0, "{}: not drawn: gnuplot cannot be run (Debian and Ubuntu: apt install gnuplot-nox)", file);
  VOX_CHECK(code == 0, "{}: not drawn: gnuplot fails on {}", file, script.string());
  std::filesystem::remove(script);
}

}  // namespace vox::bench
