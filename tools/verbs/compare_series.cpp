// Two series of runs: what is the difference between their means worth, over seeds and over cases?
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <vector>

#include "data/scoring/independent.h"
#include "kernels/base/check.h"
#include "tools/run/series_summary.h"
#include "tools/ui/table.h"
#include "tools/verbs/compare_runs.h"

namespace vox {
namespace {

struct Series {
  std::vector<RunRecord> runs;
  std::vector<SeriesRun> where;

  /// Of each seed, the mean over its folds: best.safetensors' where best, otherwise the last validation's.
  [[nodiscard]] std::vector<SeriesDice> by_seed(bool best) const {
    std::map<std::uint64_t, std::vector<SeriesDice>> all;
    for (std::size_t i = 0; i < runs.size(); ++i) {
      const ValidatedEpoch& chosen = best ? runs[i].best() : runs[i].validated.back();
      all[where[i].seed].push_back(chosen.dice);
    }
    std::vector<SeriesDice> means;
    for (const auto& [seed, folds] : all) { means.push_back(mean_of(folds)); }
    return means;
  }

  /// Of each case, the mean over seeds, by best.safetensors.
  [[nodiscard]] CaseDice by_case() const {
    std::map<std::string, std::vector<SeriesDice>> all;
    for (const RunRecord& run : runs) {
      for (const auto& [id, dice] : run.best().cases) { all[id].push_back(dice); }
    }
    CaseDice means;
    for (const auto& [id, seeds] : all) { means[id] = mean_of(seeds); }
    return means;
  }

 private:
  static SeriesDice mean_of(const std::vector<SeriesDice>& all) {
    SeriesDice mean{};
    for (const SeriesDice& one : all) {
      for (std::size_t c = 0; c < mean.size(); ++c) { mean[c] += one[c] / static_cast<double>(all.size()); }
    }
    return mean;
  }
};

Series read_series(const std::filesystem::path& folder) {
  Series s{.runs = {}, .where = begun_runs(folder)};
  for (const SeriesRun& run : s.where) {
    s.runs.push_back(read_run(folder / run.folder));
    static_cast<void>(s.runs.back().best());  // one without a validation is an error, which names it
  }
  return s;
}

std::string mean_text(const MeanAndSpread& m) {
  return m.spread >= 0 ? fmt::format("{:.4f} +- {:.4f}", m.mean, m.spread) : fmt::format("{:.4f}", m.mean);
}

/// Over seeds; `what` is "best" or "last".
void add_means(ComparedText& out, const std::string& what, const std::vector<SeriesDice>& a,
               const std::vector<SeriesDice>& b) {
  const bool several = a.size() >= 2 && b.size() >= 2;
  std::vector<std::vector<std::string>> rows{{fmt::format("{}, mean over seeds", what), fmt::format("A ({})", a.size()),
                                              fmt::format("B ({})", b.size()), "B - A"}};
  if (several) { rows.front().insert(rows.front().end(), {"95 % from", "to"}); }
  for (std::size_t c = 0; c < SeriesDice().size(); ++c) {
    std::vector<double> of_a;
    std::vector<double> of_b;
    std::ranges::transform(a, std::back_inserter(of_a), [&](const SeriesDice& d) { return d[c]; });
    std::ranges::transform(b, std::back_inserter(of_b), [&](const SeriesDice& d) { return d[c]; });
    const MeanAndSpread mean_a = mean_and_spread(of_a);
    const MeanAndSpread mean_b = mean_and_spread(of_b);
    rows.push_back({fmt::format("{} Dice", dice_name(c)), mean_text(mean_a), mean_text(mean_b),
                    fmt::format("{:+.4f}", mean_b.mean - mean_a.mean)});
    Json one{{"a", {{"mean", mean_a.mean}, {"standard_deviation", mean_a.spread}, {"seeds", a.size()}}},
             {"b", {{"mean", mean_b.mean}, {"standard_deviation", mean_b.spread}, {"seeds", b.size()}}},
             {"difference", mean_b.mean - mean_a.mean}};
    if (several) {
      const IndependentDifference d = compare_independent(of_a, of_b);
      rows.back().insert(rows.back().end(), {fmt::format("{:+.4f}", d.low), fmt::format("{:+.4f}", d.high)});
      one["low"] = d.low;
      one["high"] = d.high;
    }
    out.json[what][dice_name(c)] = one;
  }
  out.text += text_table(rows);
}

}  // namespace

ComparedText compare_series(const std::filesystem::path& a, const std::filesystem::path& b) {
  const Series of_a = read_series(a);
  const Series of_b = read_series(b);
  ComparedText out = differing_settings(of_a.runs.front(), of_b.runs.front());
  for (const bool best : {true, false}) {
    add_means(out, best ? "best" : "last", of_a.by_seed(best), of_b.by_seed(best));
  }
  if (of_a.by_seed(true).size() < 2 || of_b.by_seed(true).size() < 2) {
    out.text += "no interval over seeds: it wants two seeds of each at least (train --seeds)\n";
  }
  const ComparedText cases =
      paired_cases(of_a.by_case(), of_b.by_case(), "the mean over seeds of best.safetensors' validation");
  out.text += cases.text;
  out.json["paired"] = cases.json;
  out.json["conventions"] = {{"interval", "95 %, Welch's, over seeds; of a seed the mean over its folds"},
                             {"paired", "95 %, percentile bootstrap over cases, and Wilcoxon's test over cases"}};
  return out;
}

}  // namespace vox
