#include "data/scoring/convention.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "kernels/base/check.h"

namespace vox {
namespace {

constexpr double kNone = std::numeric_limits<double>::quiet_NaN();

/// Of those that are numbers; NaN where none is.
double mean_of_numbers(const std::vector<double>& values) {
  double sum = 0;
  int count = 0;
  for (const double v : values) {
    if (std::isnan(v)) { continue; }
    sum += v;
    ++count;
  }
  return count == 0 ? kNone : sum / count;
}

double mean_of(const std::vector<ScoreTable>& cases, std::size_t region, std::size_t score, MeanOver over) {
  std::vector<double> values(cases.size());
  std::ranges::transform(cases, values.begin(), [&](const ScoreTable& c) { return c[region][score]; });
  if (over == MeanOver::scored_cases) { return mean_of_numbers(values); }
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

std::vector<double> over_regions(const Convention& convention, const std::vector<ScoreTable>& cases,
                                 const ScoreTable& mean) {
  std::vector<double> result;
  if (convention.over_regions == OverRegions::none) { return result; }
  for (std::size_t s = 0; s < convention.scores.size(); ++s) {
    const auto of_regions = [&](const ScoreTable& table) {
      std::vector<double> values(table.size());
      std::ranges::transform(table, values.begin(), [&](const std::vector<double>& region) { return region[s]; });
      return values;
    };
    if (convention.over_regions == OverRegions::of_means) {
      const std::vector<double> means = of_regions(mean);
      result.push_back(std::accumulate(means.begin(), means.end(), 0.0) / static_cast<double>(means.size()));
      continue;
    }
    std::vector<double> of_cases(cases.size());
    std::ranges::transform(cases, of_cases.begin(),
                           [&](const ScoreTable& c) { return mean_of_numbers(of_regions(c)); });
    result.push_back(mean_of_numbers(of_cases));
  }
  return result;
}

/// A column of one of several conventions.
struct Column {
  const ConventionScores* of;
  std::size_t region;
  std::size_t score;

  [[nodiscard]] const ScoreRule& rule() const { return of->convention->scores[score]; }
  [[nodiscard]] double mean() const { return of->mean[region][score]; }
};

bool same(double a, double b) { return (std::isnan(a) && std::isnan(b)) || a == b; }

std::string why(const std::vector<Column>& columns) {
  const ScoreRule& first = columns.front().rule();
  const bool ways = std::ranges::any_of(columns, [&](const Column& c) { return c.rule().does != first.does; });
  const auto left_out_of = [](const Column& c) { return c.of->left_out[c.region][c.score]; };
  const bool some_left_out = std::ranges::any_of(columns, [&](const Column& c) { return left_out_of(c) > 0; });
  std::vector<std::string> parts;
  for (const Column& c : columns) {
    std::vector<std::string> says;
    if (ways) { says.push_back(c.rule().does); }
    const int left_out = left_out_of(c);
    const auto all = std::ssize(c.of->cases);
    if (left_out > 0) {
      says.push_back(
          fmt::format("leaves out {} of {} {} ({})", left_out, all, all == 1 ? "case" : "cases", c.rule().empty));
    } else if (!ways || some_left_out) {
      says.push_back(fmt::format("counts all ({})", c.rule().empty));
    }
    if (!says.empty()) { parts.push_back(c.of->convention->name + " " + fmt::format("{}", fmt::join(says, " and "))); }
  }
  return fmt::format("{}: {}", first.title, fmt::join(parts, "; "));
}

struct Row {
  std::string region;
  std::string key;
  friend bool operator==(const Row&, const Row&) = default;
};

std::vector<Row> rows_of(std::span<const ConventionScores> all) {
  std::vector<Row> rows;
  for (const ConventionScores& of : all) {
    for (const ScoredRegion& region : of.convention->regions) {
      for (const ScoreRule& score : of.convention->scores) {
        Row row{.region = std::string(region.name), .key = score.key};
        if (std::ranges::find(rows, row) == rows.end()) { rows.push_back(std::move(row)); }
      }
    }
  }
  return rows;
}

std::vector<Column> columns_of(std::span<const ConventionScores> all, std::string_view region, std::string_view key) {
  std::vector<Column> columns;
  for (const ConventionScores& of : all) {
    const Convention& c = *of.convention;
    const auto r = std::ranges::find(c.regions, region, &ScoredRegion::name);
    const auto s = std::ranges::find(c.scores, key, &ScoreRule::key);
    if (r == c.regions.end() || s == c.scores.end()) { continue; }
    columns.push_back({.of = &of,
                       .region = static_cast<std::size_t>(r - c.regions.begin()),
                       .score = static_cast<std::size_t>(s - c.scores.begin())});
  }
  return columns;
}

}  // namespace

const std::vector<Convention>& all_conventions() {
  static const std::vector<Convention> all = [] {
    std::vector<Convention> list;
    for (auto&& some : {whole_mask_conventions(), lesion_conventions()}) {
      list.insert(list.end(), some.begin(), some.end());
    }
    return list;
  }();
  return all;
}

const Convention* find_convention(std::string_view name) {
  const auto named = [](std::string_view wanted) -> const Convention* {
    const auto found = std::ranges::find(all_conventions(), wanted, &Convention::name);
    return found == all_conventions().end() ? nullptr : &*found;
  };
  if (const Convention* const found = named(name)) { return found; }
  return named(fmt::format("{}-gli", name));
}

std::string all_convention_names() {
  std::vector<std::string> names;
  for (const Convention& c : all_conventions()) { names.push_back(c.name); }
  return fmt::format("{}", fmt::join(names, ", "));
}

bool has_region(const LabelParts& parts, const ScoredRegion& region) {
  if (region.classes == kResectionCavity.classes) { return parts.cavity; }
  if (region.classes == kCystic.classes) { return parts.cyst; }
  return true;
}

ScoreTable score_as(const Convention& convention, ScoredCase& scored, const LabelParts& parts) {
  ScoreTable table(convention.regions.size(), std::vector<double>(convention.scores.size(), kNone));
  for (std::size_t r = 0; r < table.size(); ++r) {
    if (has_region(parts, convention.regions[r])) { convention.score(scored, convention.regions[r], table[r]); }
  }
  return table;
}

void take_means(ConventionScores& all) {
  VOX_CHECK(!all.cases.empty() && all.baselines.size() == all.cases.size(), "take_means: no case");
  const Convention& convention = *all.convention;
  all.mean.clear();
  all.baseline.clear();
  all.left_out.clear();
  for (std::size_t r = 0; r < convention.regions.size(); ++r) {
    std::vector<double> mean;
    std::vector<double> baseline;
    std::vector<int> left_out;
    for (std::size_t s = 0; s < convention.scores.size(); ++s) {
      mean.push_back(mean_of(all.cases, r, s, convention.mean));
      baseline.push_back(mean_of(all.baselines, r, s, convention.mean));
      left_out.push_back(
          static_cast<int>(std::ranges::count_if(all.cases, [&](const ScoreTable& c) { return std::isnan(c[r][s]); })));
    }
    all.mean.push_back(mean);
    all.baseline.push_back(baseline);
    all.left_out.push_back(left_out);
  }
  all.all_regions = over_regions(convention, all.cases, all.mean);
  all.all_regions_baseline = over_regions(convention, all.baselines, all.baseline);
}

std::vector<std::string> differences(std::span<const ConventionScores> all) {
  struct Reason {
    std::string text;
    std::vector<std::string> regions;
  };
  std::vector<Reason> reasons;
  for (const auto& [region, key] : rows_of(all)) {
    const std::vector<Column> columns = columns_of(all, region, key);
    const double first = columns.front().mean();
    if (std::ranges::all_of(columns, [&](const Column& c) { return same(c.mean(), first); })) { continue; }
    const std::string text = why(columns);
    auto found = std::ranges::find(reasons, text, &Reason::text);
    if (found == reasons.end()) { found = reasons.insert(found, {.text = text, .regions = {}}); }
    found->regions.push_back(region);
  }
  std::vector<std::string> lines;
  lines.reserve(reasons.size());
  for (const Reason& r : reasons) { lines.push_back(fmt::format("{} {}", fmt::join(r.regions, ", "), r.text)); }
  return lines;
}

}  // namespace vox
