#include "tools/verbs/evaluation_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <span>
#include <vector>

#include "data/check/read_classes.h"
#include "data/nifti/nifti.h"
#include "data/scoring/pairs.h"
#include "engine/atomic_file.h"
#include "engine/json.h"
#include "engine/json_text.h"
#include "engine/read_file.h"
#include "kernels/base/check.h"
#include "tools/report/case_picture.h"
#include "tools/report/page.h"

namespace vox {
namespace {

/// Mean over the regions' Dice of one case of the summary.
double mean_dice(const Json& scores) {
  double sum = 0;
  for (const Region r : kRegions) {
    const Json* const region = scores.find(name(r));
    const Json* const dice = region != nullptr ? region->find("dice") : nullptr;
    sum += dice != nullptr && dice->is_number() ? dice->get<double>() : NAN;
  }
  return sum / kRegions.size();
}

/// A plot per score that every region has, of all cases.
Json spreads(const Json& cases, const Json* baseline) {
  Json s = section("distributions", "Spread over cases",
                   "Box: quartiles and median. Dashed: mean of a prediction of nothing but background.");
  s["distributions"] = Json::array();
  if (cases.empty()) { return s; }
  const Json* const first = cases.items().front().value.find(name(kRegions.front()));
  if (first == nullptr) { return s; }
  for (const auto& [score, any] : first->items()) {
    if (!any.is_number() && !any.is_null()) { continue; }
    Json d{{"title", score}, {"y_label", score == "hd95" ? "mm" : score}, {"groups", Json::array()}};
    for (const Region r : kRegions) {
      Json g{{"name", name(r)}, {"values", Json::array()}, {"names", Json::array()}};
      for (const auto& [id, scores] : cases.items()) {
        const Json* const region = scores.find(name(r));
        const Json* const value = region != nullptr ? region->find(score) : nullptr;
        g["values"].push_back(value == nullptr ? Json(nullptr) : *value);
        g["names"].push_back(id);
      }
      const Json* const nothing = baseline != nullptr ? baseline->find(name(r)) : nullptr;
      if (nothing != nullptr && nothing->contains(score)) { g["baseline"] = nothing->at(score); }
      d["groups"].push_back(g);
    }
    s["distributions"].push_back(d);
  }
  return s;
}

/// FLAIR of a case where the truth is a folder of cases and it has one.
std::optional<Image> image_of(const std::vector<CaseFiles>& cases, const std::string& id) {
  const auto found = std::ranges::find(cases, id, &CaseFiles::id);
  if (found == cases.end() || found->image(Modality::flair).empty()) { return std::nullopt; }
  return read_nifti(found->image(Modality::flair)).image;
}

std::vector<CaseFiles> cases_of(const std::filesystem::path& truth) {
  if (!std::filesystem::is_directory(truth)) { return {}; }
  try {
    return find_cases(truth);
  } catch (const ReadError&) { throw; } catch (const DataError&) {
    return {};  // label files alone
  }
}

Json picture_of(const std::string& role, const std::string& id, const Json& scores, const LabelPair& files,
                const std::optional<Image>& image, const EvaluateOptions& o) {
  const auto classes = [&](const LabelFile& file, const std::optional<LabelConvention>& asked) {
    return read_classes(file, label_rules(asked, std::span<const LabelFile>(&file, 1), o.threads)).classes;
  };
  const LabelMap truth = classes(files.truth, o.labels);
  const LabelMap predicted = classes(files.predicted, o.predicted_labels ? o.predicted_labels : o.labels);
  std::string dice = "Dice";
  for (const Region r : kRegions) {
    dice += fmt::format(" {} {:.3f}", name(r), scores.at(name(r)).at("dice").get<double>());
  }
  const bool fits = image && image->geometry.size == truth.geometry.size;
  return case_picture({.id = id,
                       .title = fmt::format("{}: {}", role, id),
                       .facts = {dice, fits ? "flair" : "labels alone: the folder of truth has no FLAIR of this case"},
                       .size = truth.geometry.size,
                       .spacing_mm = truth.geometry.spacing_mm,
                       .image = fits ? std::span<const float>(image->values) : std::span<const float>{},
                       .truth = truth.values,
                       .prediction = predicted.values});
}

Json pictures(const Json& cases, const EvaluateOptions& o) {
  Json s = section("cases", "Worst, median and best case",
                   "By the mean Dice of the three regions. The patient's right is at the left.");
  s["classes"] = shown_classes();
  s["cases"] = Json::array();
  std::vector<double> dice;
  for (const auto& [id, scores] : cases.items()) { dice.push_back(mean_dice(scores)); }
  const LabelPairs files = pair_labels(o.truth, o.predicted);
  const std::vector<CaseFiles> images = cases_of(o.truth);
  for (const auto& [role, index] : worst_median_best(dice)) {
    const auto& [id, scores] = cases.items()[index];
    const auto pair = std::ranges::find_if(
        files.pairs, [&, wanted = id](const LabelPair& p) { return utf8_text(p.truth.id) == wanted; });
    if (pair == files.pairs.end()) { continue; }
    s["cases"].push_back(picture_of(role, id, scores, *pair, image_of(images, pair->truth.id), o));
  }
  return s;
}

/// Means by region, the prediction's beside those of a prediction of nothing. of: words that stand before each row.
void add_means(Json& rows, const Json& of, const Json& scored) {
  const Json* const baseline = scored.find("baseline_all_background");
  for (const auto& [region, scores] : scored.at("mean").items()) {
    if (!scores.is_object()) { continue; }
    for (const auto& [who, values] : {std::pair<const char*, const Json*>{"prediction", &scores},
                                      {"all background", baseline != nullptr ? baseline->find(region) : nullptr}}) {
      if (values == nullptr) { continue; }
      Json row = of;
      row["region"] = region;
      row["of"] = who;
      row.update(*values);
      rows.push_back(row);
    }
  }
}

/// What --as asked for: the means by each convention, what its rules are, and where they differ.
void add_conventions(Json& sections, const Json& all) {
  const Json* const as = all.find("as");
  if (as == nullptr || as->empty()) { return; }
  Json rows = Json::array();
  Json rules = Json::object();
  for (const auto& [convention, scored] : as->items()) {
    add_means(rows, {{"as", convention}}, scored);
    rules[convention] = scored.value("about", "") + "; means over " + scored.value("mean_over", "");
  }
  sections.push_back(table_of(rows, "Side by side", "The same predictions by the rules of each convention."));
  std::size_t n = 0;
  if (const Json* const differences = all.find("differences")) {
    for (const Json& line : *differences) { rules[fmt::format("difference {}", ++n)] = line; }
  }
  sections.push_back(facts_of(rules, "Why they differ"));
}

}  // namespace

void write_evaluation_report(const std::filesystem::path& html, const std::string& summary,
                             const EvaluateOptions& options) {
  const Json all = Json::parse(summary);
  const Json& cases = all.at("cases");
  const Json* const as = all.find("as");
  Json rows = Json::array();
  for (const auto& [id, scores] : cases.items()) {
    Json row{{"case", id}, {"mean dice", mean_dice(scores)}};
    row.update(scores);
    if (as != nullptr) {
      for (const auto& [convention, scored] : as->items()) {
        const Json* const of_case = scored.contains("cases") ? scored.at("cases").find(id) : nullptr;
        if (of_case != nullptr) { row[convention] = *of_case; }
      }
    }
    rows.push_back(row);
  }
  Json table = table_of(rows, "Cases", "Every score of every case; click a heading to sort by it.");
  table["sort"] = {{"column", 1}};
  Json means = Json::array();
  add_means(means, Json::object(), all);
  Json sections = Json::array();
  sections.push_back(table_of(means, "Means over cases"));
  add_conventions(sections, all);
  sections.push_back(table);
  sections.push_back(spreads(cases, all.find("baseline_all_background")));
  sections.push_back(pictures(cases, options));
  Json rest = Json::object();
  for (const auto& [key, value] : all.items()) {
    const bool shown =
        key == "cases" || key == "mean" || key == "baseline_all_background" || key == "as" || key == "differences";
    if (!shown) { rest[key] = value; }
  }
  sections.push_back(facts_of(rest, "How it was scored"));
  write_file(html, report_page({{"title", "Evaluation of " + options.predicted.string()},
                                {"subtitle", fmt::format("{} cases against {}", cases.size(), options.truth.string())},
                                {"sections", sections}}));
}

}  // namespace vox
