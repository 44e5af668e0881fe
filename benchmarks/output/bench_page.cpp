#include "benchmarks/output/bench_page.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "tools/report/page.h"

namespace vox::bench {
namespace {

double number(const Json& object, const char* key) {
  const Json* const found = object.find(key);
  return found != nullptr && found->is_number() ? found->get<double>() : 0;
}

/// What a line measures: its texts and whole numbers, in their order, as far as the first figure.
std::string name_of(const Json& row) {
  std::string name;
  for (const auto& [key, value] : row.items()) {
    if (value.is_string()) {
      name += (name.empty() ? "" : " ") + value.get<std::string>();
    } else if (value.is_number_integer() && key != "flops" && key != "bytes") {
      name += fmt::format(" {} {}", key, value.get<std::int64_t>());
    }
    if (key == "ms") { break; }
  }
  return name;
}

Json roofline(const Json& results) {
  const Json& facts = results.at("facts");
  const auto ceiling = [&](const char* key) {
    const Json* const found = facts.find(key);
    return found != nullptr && found->is_array() && !found->empty() ? found->at(std::size_t{0}).get<double>() / 1e9 : 0;
  };
  const double copy = ceiling("ceiling_copy_bytes_per_s");
  Json chart{{"title", "Roofline"}, {"x_label", "flops per byte"}, {"y_label", "GFLOP/s"}, {"x_log", true},
             {"y_log", true},       {"series", Json::array()}};
  std::vector<std::pair<std::string, Json>> points;
  double low = 0.5;
  double high = 100;
  for (const Json& row : results.at("rows")) {
    const double flops = number(row, "flops");
    const double bytes = number(row, "bytes");
    if (flops <= 0 || bytes <= 0 || number(row, "gflop_per_s") <= 0) { continue; }
    const std::string kind = row.value("op", "") + " " + row.value("pass", "");
    auto found = std::ranges::find(points, kind, [](const auto& p) { return p.first; });
    if (found == points.end()) {
      found = points.insert(points.end(), {kind, series(kind, Json::array(), Json::array(), "points")});
      found->second["names"] = Json::array();
    }
    found->second["x"].push_back(flops / bytes);
    found->second["y"].push_back(number(row, "gflop_per_s"));
    found->second["names"].push_back(name_of(row));
    low = std::min(low, flops / bytes / 2);
    high = std::max(high, 2 * flops / bytes);
  }
  for (auto& [kind, s] : points) { chart["series"].push_back(std::move(s)); }
  for (const auto& [what, key, style] : {std::tuple{"f32", "ceiling_f32_flop_per_s", "line"},
                                         std::tuple{"tensor", "ceiling_tensor_flop_per_s", "dashed"}}) {
    const double flops = ceiling(key);
    if (copy <= 0 || flops <= 0 || points.empty()) { continue; }
    const double ridge = std::clamp(flops / copy, low, high);
    chart["series"].push_back(
        series(fmt::format("{:.4g} GB/s, {:.4g} GFLOP/s {}", copy, flops, what), Json::array({low, ridge, high}),
               Json::array({copy * low, std::min(copy * ridge, flops), std::min(copy * high, flops)}), style));
    chart["series"][chart["series"].size() - 1]["colour"] = "#7f7f7f";
  }
  return chart;
}

}  // namespace

Json bench_page(const Json& results) {
  Json facts = Json::object();
  for (const auto& [key, value] : results.at("facts").items()) {
    if (!value.is_structured()) { facts[key] = value; }
  }
  Json sections = Json::array({facts_of(facts, "Where and how")});
  const Json chart = roofline(results);
  if (!chart["series"].empty()) {
    Json s = section("charts", "Roofline",
                     "Every line of the table below that has flops. A point's name appears below the "
                     "pointer; a name of the legend switches its points off.");
    s["wide"] = true;
    s["charts"] = Json::array({chart});
    sections.push_back(s);
  }
  sections.push_back(table_of(results.at("rows"), "Figures"));
  for (const auto& [key, value] : results.items()) {
    const bool records = value.is_array() && !value.empty() && value.begin()->is_object();
    if (key != "rows" && records) { sections.push_back(table_of(value, key)); }
    if (key == "missing") { sections.push_back(facts_of({{"missing", value}}, "Missing")); }
  }
  return {{"title", "voxgrad bench"}, {"subtitle", results.at("facts").value("machine", "")}, {"sections", sections}};
}

}  // namespace vox::bench
