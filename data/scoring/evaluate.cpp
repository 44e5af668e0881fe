#include "data/scoring/evaluate.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <mutex>

#include "data/check/read_classes.h"
#include "data/check/same_place.h"
#include "data/scoring/pairs.h"
#include "data/scoring/side_by_side.h"
#include "engine/csv.h"
#include "engine/json.h"
#include "engine/json_text.h"
#include "engine/ranks/deal.h"
#include "kernels/base/check.h"
#include "kernels/base/parallel.h"

namespace vox {
namespace {

struct Rules {
  LabelRules truth;
  LabelRules predicted;
};

/// What numbers of a convention can stand for.
LabelParts parts_of(LabelConvention labels) {
  return {.cavity = labels == LabelConvention::brats2023 || labels == LabelConvention::brats2024,
          .cyst = labels == LabelConvention::brats2024_ped};
}

struct ByConvention {
  std::vector<ScoreTable> scores;
  std::vector<ScoreTable> baselines;
};

EvaluatedCase evaluate_case(const LabelPair& files, const EvaluateOptions& options, const Rules& rules,
                            ByConvention& as) {
  EvaluatedCase result{};
  result.id = files.truth.id;
  const ClassMap true_classes = read_classes(files.truth, rules.truth);
  const ClassMap predicted_classes = read_classes(files.predicted, rules.predicted);
  result.truth_labels = true_classes.convention;
  result.predicted_labels = predicted_classes.convention;
  result.unit_unknown = true_classes.unit == LengthUnit::unknown || predicted_classes.unit == LengthUnit::unknown;
  const LabelMap& truth = true_classes.classes;
  const LabelMap& predicted = predicted_classes.classes;
  check_same_place(files.truth.file.string(), truth.geometry, files.predicted.file.string(), predicted.geometry);
  Confusion& confusion = result.classes;
  if (options.count) {
    confusion = options.count(truth.values, predicted.values);
  } else {
    confusion.add(truth.values, predicted.values);
  }
  const auto values = [](const ClassMap& map) { return std::span(map.parts.empty() ? map.classes.values : map.parts); };
  ScoredCase scored(class_pair(truth.geometry, values(true_classes), values(predicted_classes)), confusion,
                    options.threads);
  scored.set_tolerance_mm(options.tolerance_mm);
  result.scores = score_case(scored);
  result.baseline = score_all_background(confusion);
  if (options.as.empty()) { return result; }
  const LabelParts of_truth = parts_of(result.truth_labels);
  const LabelParts of_predicted = parts_of(result.predicted_labels);
  result.parts = {.cavity = of_truth.cavity && of_predicted.cavity, .cyst = of_truth.cyst && of_predicted.cyst};
  ScoredCase baseline = scored.all_background();
  for (const Convention* const c : options.as) {
    as.scores.push_back(score_as(*c, scored, result.parts));
    as.baselines.push_back(score_as(*c, baseline, result.parts));
  }
  return result;
}

/// Truth and prediction are two sets: each shows for itself what its numbers mean.
Rules rules_of(const std::vector<LabelPair>& pairs, const EvaluateOptions& options) {
  std::vector<LabelFile> truth;
  std::vector<LabelFile> predicted;
  for (const LabelPair& p : pairs) {
    truth.push_back(p.truth);
    predicted.push_back(p.predicted);
  }
  const auto asked = options.predicted_labels ? options.predicted_labels : options.labels;
  return {label_rules(options.labels, truth, options.threads, options.ranks),
          label_rules(asked, predicted, options.threads, options.ranks)};
}

/// Takes the cases without a prediction out of the list.
std::vector<std::string> take_missing(std::vector<LabelPair>& pairs, const EvaluateOptions& options) {
  std::vector<std::string> missing;
  for (const LabelPair& p : pairs) {
    if (p.predicted.file.empty()) { missing.push_back(p.truth.id); }
  }
  const std::size_t all = pairs.size();
  VOX_CHECK_DATA(missing.empty() || options.allow_missing,
                 "{}: no prediction for {} of {} cases: {}. --allow-missing leaves them out",
                 options.predicted.string(), missing.size(), all, fmt::join(missing, ", "));
  VOX_CHECK_DATA(missing.size() < all, "{}: no prediction for any of the {} cases of {}", options.predicted.string(),
                 all, options.truth.string());
  std::erase_if(pairs, [](const LabelPair& p) { return p.predicted.file.empty(); });
  return missing;
}

/// What becomes of a case.
struct Scored {
  EvaluatedCase result{};
  ByConvention as;
  std::string error;  ///< why it cannot be scored
};

void throw_if_any(const std::vector<Scored>& scored) {
  std::string list;
  std::size_t bad = 0;
  for (const Scored& s : scored) {
    if (s.error.empty()) { continue; }
    list += "\n  " + s.error;
    ++bad;
  }
  VOX_CHECK_DATA(bad == 0, "evaluate: {} of {} cases cannot be scored:{}", bad, scored.size(), list);
}

void check_same_pairs(Communicator& ranks, const std::vector<LabelPair>& pairs, const EvaluateOptions& o) {
  std::string ids;
  for (const LabelPair& p : pairs) { ids += p.truth.id + '\n'; }
  check_same_on_ranks(ranks, ids, fmt::format("{} and {}: cases", o.truth.string(), o.predicted.string()));
}

Json to_json(const CaseScores& scores) {
  Json json;
  for (std::size_t r = 0; r < kRegions.size(); ++r) {
    for (const auto& [label, score] : kRegionScores) { json[name(kRegions[r])][label] = scores[r].*score; }
  }
  return json;
}

Json to_json(const Confusion& c) {
  Json json;
  for (const auto& [key, over] :
       {std::pair{"all_classes", MacroOver::all_classes}, std::pair{"foreground", MacroOver::foreground}}) {
    const MacroScores s = macro_scores(c, over);
    for (const auto& [label, score] : kMacroScores) { json[key][label] = s.*score; }
  }
  return json;
}

Json conventions_of(const Evaluation& e) {
  Json labels;
  for (const EvaluatedCase& c : e.cases) {
    for (const auto& [set, used] : {std::pair{"truth", c.truth_labels}, std::pair{"prediction", c.predicted_labels}}) {
      auto& count = labels[set][name(used)];
      count = (count.is_null() ? 0 : count.get<int>()) + 1;
    }
  }
  return {
      {"regions", "WT = classes 1,2,3; TC = 1,3; ET = 3 (1 necrotic, 2 oedema, 3 enhancing)"},
      {"files_by_labels", labels},
      {"hd95", "mm, 95th percentile of the pooled surface distances of both directions"},
      {"empty", "both masks empty: overlap 1, hd95 0; one empty: overlap 0, hd95 373.12866"},
      {"classes", "means over the four classes, or three without background; voxels of all cases are counted together"},
      {"mean", "over cases"}};
}

}  // namespace

Evaluation evaluate(const EvaluateOptions& options, const std::function<void(std::int64_t, std::int64_t)>& progress) {
  LabelPairs files = pair_labels(options.truth, options.predicted);
  Evaluation result;
  result.extras = std::move(files.extras);
  result.missing = take_missing(files.pairs, options);
  Communicator& ranks = ranks_or_alone(options.ranks);
  check_same_pairs(ranks, files.pairs, options);
  const Rules rules = rules_of(files.pairs, options);
  Deal deal(ranks, files.pairs.size());
  const auto all = std::ssize(deal.mine());
  std::vector<Scored> scored(files.pairs.size());
  std::mutex one_at_a_time;
  std::int64_t done = 0;
  parallel_for(options.threads, all, [&](std::int64_t i) {
    const auto k = deal.mine()[static_cast<std::size_t>(i)];
    if (deal.stopped()) { return; }
    try {
      scored[k].result = evaluate_case(files.pairs[k], options, rules, scored[k].as);
    } catch (const Error& e) { scored[k].error = e.what(); }
    const std::lock_guard lock(one_at_a_time);
    if (progress) { progress(++done, all); }
  });
  deal.gather_results(scored, [](auto& message, auto& s) {
    auto& c = s.result;
    fields(message, s.error, c.id, c.truth_labels, c.predicted_labels, c.unit_unknown, c.scores, c.baseline, c.classes,
           c.parts, s.as.scores, s.as.baselines);
  });
  throw_if_any(scored);
  for (Scored& s : scored) { result.cases.push_back(std::move(s.result)); }
  std::vector<CaseScores> scores;
  std::vector<CaseScores> baselines;
  for (const EvaluatedCase& c : result.cases) {
    scores.push_back(c.scores);
    baselines.push_back(c.baseline);
    result.classes += c.classes;
  }
  result.mean = mean_scores(scores);
  result.baseline = mean_scores(baselines);
  for (std::size_t k = 0; k < options.as.size(); ++k) {
    ConventionScores& of = result.as.emplace_back();
    of.convention = options.as[k];
    for (Scored& s : scored) {
      of.cases.push_back(std::move(s.as.scores[k]));
      of.baselines.push_back(std::move(s.as.baselines[k]));
    }
    take_means(of);
  }
  return result;
}

std::string summary_json(const Evaluation& e) {
  Json json;
  json["mean"] = to_json(e.mean);
  json["baseline_all_background"] = to_json(e.baseline);
  json["classes"] = to_json(e.classes);
  json["classes_baseline_all_background"] = to_json(e.classes.all_background());
  json["cases"] = Json::object();
  for (const EvaluatedCase& c : e.cases) { json["cases"][c.id] = to_json(c.scores); }
  json["missing"] = e.missing;
  json["conventions"] = conventions_of(e);
  if (!e.as.empty()) {
    std::vector<std::string> ids;
    for (const EvaluatedCase& c : e.cases) { ids.push_back(c.id); }
    for (const ConventionScores& of : e.as) { json["as"][of.convention->name] = as_json(of, ids); }
    json["differences"] = differences(e.as);
  }
  return json_text(json, 2) + "\n";
}

std::string cases_csv(const Evaluation& e) {
  std::string text = "case";
  for (const Region r : kRegions) {
    for (const auto& [label, score] : kRegionScores) { text += fmt::format(",{}_{}", name(r), label); }
  }
  for (const ConventionScores& of : e.as) { text += as_csv_header(of); }
  text += '\n';
  for (std::size_t k = 0; k < e.cases.size(); ++k) {
    const EvaluatedCase& c = e.cases[k];
    text += csv_field(c.id);
    for (const RegionScores& region : c.scores) {
      for (const auto& [label, score] : kRegionScores) { text += fmt::format(",{}", region.*score); }
    }
    for (const ConventionScores& of : e.as) { text += as_csv_fields(of, k); }
    text += '\n';
  }
  return text;
}

}  // namespace vox
