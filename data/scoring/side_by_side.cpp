#include "data/scoring/side_by_side.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>

namespace vox {
namespace {

constexpr double kLongest = 1000;

std::string number(double value, const ScoreRule& rule) {
  if (std::isnan(value)) { return "-"; }
  if (rule.unit.empty() || rule.unit == "of truth") { return fmt::format("{:.4f}", value); }
  return fmt::format("{:.{}f}", value, std::abs(value) < kLongest ? 2 : 0);
}

/// Where a convention has a row.
struct Place {
  std::size_t region;
  std::size_t score;
};

std::optional<Place> find(const Convention& c, std::string_view region, std::string_view key) {
  const auto r = std::ranges::find(c.regions, region, &ScoredRegion::name);
  const auto s = std::ranges::find(c.scores, key, &ScoreRule::key);
  if (r == c.regions.end() || s == c.scores.end()) { return {}; }
  return Place{.region = static_cast<std::size_t>(r - c.regions.begin()),
               .score = static_cast<std::size_t>(s - c.scores.begin())};
}

std::string_view word(Better better) {
  switch (better) {
    case Better::more:
      return "more";
    case Better::less:
      return "less";
    case Better::neither:
      return "neither";
  }
  return {};
}

std::string_view words_of(OverRegions over) {
  switch (over) {
    case OverRegions::none:
      return {};
    case OverRegions::of_means:
      return "the mean of the regions' means";
    case OverRegions::of_cases:
      return "each case's mean over the regions that have a score, then the mean of those over cases";
  }
  return {};
}

/// Of all conventions, each once, in the order in which they come.
template <class List, class Key>
std::vector<std::string> all_keys(const std::vector<ConventionScores>& all, const List& list, const Key& key) {
  std::vector<std::string> keys;
  for (const ConventionScores& one : all) {
    for (const auto& item : (*one.convention).*list) {
      const std::string k(item.*key);
      if (std::ranges::find(keys, k) == keys.end()) { keys.push_back(k); }
    }
  }
  return keys;
}

Json table_json(const Convention& c, const ScoreTable& table) {
  Json json = Json::object();
  for (std::size_t r = 0; r < c.regions.size(); ++r) {
    for (std::size_t s = 0; s < c.scores.size(); ++s) { json[c.regions[r].name][c.scores[s].key] = table[r][s]; }
  }
  return json;
}

}  // namespace

std::vector<std::vector<std::string>> side_by_side(const std::vector<ConventionScores>& all) {
  std::vector<std::vector<std::string>> rows{{"mean (all background)"}};
  for (const ConventionScores& one : all) { rows[0].push_back(one.convention->name); }
  const auto keys = all_keys(all, &Convention::scores, &ScoreRule::key);
  for (const std::string& region : all_keys(all, &Convention::regions, &ScoredRegion::name)) {
    for (const std::string& key : keys) {
      std::vector<std::string> row{""};
      for (const ConventionScores& one : all) {
        std::string& cell = row.emplace_back();
        const auto at = find(*one.convention, region, key);
        if (!at) { continue; }
        const ScoreRule& rule = one.convention->scores[at->score];
        cell = fmt::format("{} ({})", number(one.mean[at->region][at->score], rule),
                           number(one.baseline[at->region][at->score], rule));
        if (row[0].empty()) {
          row[0] = fmt::format("{} {}{}{}", region, rule.title, rule.unit.empty() ? "" : " ", rule.unit);
        }
      }
      if (!row[0].empty()) { rows.push_back(std::move(row)); }
    }
  }
  for (const std::string& key : keys) {
    std::vector<std::string> row{""};
    for (const ConventionScores& one : all) {
      std::string& cell = row.emplace_back();
      const auto at = find(*one.convention, one.convention->regions.front().name, key);
      if (!at || one.all_regions.empty()) { continue; }
      const ScoreRule& rule = one.convention->scores[at->score];
      cell = fmt::format("{} ({})", number(one.all_regions[at->score], rule),
                         number(one.all_regions_baseline[at->score], rule));
      row[0] = fmt::format("regions {}{}{}", rule.title, rule.unit.empty() ? "" : " ", rule.unit);
    }
    if (!row[0].empty()) { rows.push_back(std::move(row)); }
  }
  return rows;
}

std::vector<std::string> rules_in_words(const std::vector<ConventionScores>& all) {
  std::vector<std::string> lines;
  for (const ConventionScores& one : all) {
    const Convention& c = *one.convention;
    lines.push_back(fmt::format("{}: {}", c.name, c.about));
    if (c.over_regions != OverRegions::none) {
      lines.push_back(fmt::format("  regions: {}", words_of(c.over_regions)));
    }
    for (const ScoreRule& s : c.scores) {
      lines.push_back(fmt::format("  {} {}{}{}", s.title, s.does, s.empty.empty() ? "" : "; ", s.empty));
    }
  }
  return lines;
}

Json as_json(const ConventionScores& of, const std::vector<std::string>& ids) {
  const Convention& c = *of.convention;
  Json json;
  json["about"] = c.about;
  json["mean_over"] = c.mean == MeanOver::all_cases ? "all cases" : "cases that have the score";
  for (const ScoreRule& s : c.scores) {
    json["scores"][s.key] = {
        {"title", s.title}, {"unit", s.unit}, {"better", word(s.better)}, {"rule", s.does}, {"empty", s.empty}};
  }
  json["mean"] = table_json(c, of.mean);
  json["baseline_all_background"] = table_json(c, of.baseline);
  for (std::size_t s = 0; s < of.all_regions.size(); ++s) {
    json["all_regions"][c.scores[s].key] = of.all_regions[s];
    json["all_regions_baseline"][c.scores[s].key] = of.all_regions_baseline[s];
  }
  for (std::size_t r = 0; r < c.regions.size(); ++r) {
    for (std::size_t s = 0; s < c.scores.size(); ++s) {
      json["left_out"][c.regions[r].name][c.scores[s].key] = of.left_out[r][s];
    }
  }
  json["cases"] = Json::object();
  for (std::size_t k = 0; k < ids.size(); ++k) { json["cases"][ids[k]] = table_json(c, of.cases[k]); }
  return json;
}

std::string as_csv_header(const ConventionScores& of) {
  std::string text;
  for (const ScoredRegion& r : of.convention->regions) {
    for (const ScoreRule& s : of.convention->scores) {
      text += fmt::format(",{}:{}_{}", of.convention->name, r.name, s.key);
    }
  }
  return text;
}

std::string as_csv_fields(const ConventionScores& of, std::size_t of_case) {
  std::string text;
  for (const auto& region : of.cases[of_case]) {
    for (const double value : region) { text += std::isnan(value) ? "," : fmt::format(",{}", value); }
  }
  return text;
}

}  // namespace vox
