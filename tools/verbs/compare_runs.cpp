#include "tools/verbs/compare_runs.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "data/scoring/paired.h"
#include "engine/json_text.h"
#include "tools/ui/table.h"

namespace vox {
namespace {

using Rows = std::vector<std::vector<std::string>>;

std::string dice_text(double dice) { return fmt::format("{:.4f}", dice); }

void add_scores(Rows& rows, Json& json, const std::string& what, const ValidatedEpoch& a, const ValidatedEpoch& b) {
  for (std::size_t c = 0; c < a.dice.size(); ++c) {
    rows.push_back({fmt::format("{} Dice {}", what, dice_name(c)), dice_text(a.dice[c]), dice_text(b.dice[c]),
                    fmt::format("{:+.4f}", b.dice[c] - a.dice[c])});
    json[what]["dice"][dice_name(c)] = {{"a", a.dice[c]}, {"b", b.dice[c]}};
  }
  json[what]["epoch"] = {{"a", a.epoch}, {"b", b.epoch}};
}

double middle_seconds(const RunRecord& run) {
  std::vector<double> seconds;
  std::ranges::transform(run.steps, std::back_inserter(seconds), &LoggedStep::seconds);
  const auto middle = seconds.begin() + std::ssize(seconds) / 2;
  std::ranges::nth_element(seconds, middle);
  return middle == seconds.end() ? 0 : *middle;
}

/// Of the epoch whose weights are best.safetensors.
CaseDice best_cases(const RunRecord& run) { return run.validated.empty() ? CaseDice() : run.best().cases; }

}  // namespace

ComparedText differing_settings(const RunRecord& a, const RunRecord& b) {
  ComparedText out;
  const auto said = [](const std::string& text) { return text.empty() ? std::string("not said") : text; };
  if (a.program != b.program) {
    out.text += fmt::format("built differently:\n  A {}\n  B {}\n", said(a.program), said(b.program));
    out.json["program"] = {{"a", a.program}, {"b", b.program}};
  }
  if (a.device != b.device) {
    out.text += fmt::format("other devices:\n  A {}\n  B {}\n", said(a.device), said(b.device));
    out.json["device"] = {{"a", a.device}, {"b", b.device}};
  }
  if (a.options.is_null() || b.options.is_null()) {
    out.text += fmt::format("settings: not known, {} has no checkpoint yet\n", a.options.is_null() ? "A" : "B");
    return out;
  }
  Rows rows{{"setting", "A", "B"}};
  out.json["settings"] = Json::object();
  for (const auto& [key, value] : a.options.items()) {
    const std::string of_a = json_text(value);
    const std::string of_b = json_text(b.options.at(key));
    if (of_a == of_b) { continue; }
    rows.push_back({key, of_a, of_b});
    out.json["settings"][key] = {{"a", value}, {"b", b.options.at(key)}};
  }
  out.text += rows.size() > 1 ? text_table(rows) : "settings: the same\n";
  return out;
}

ComparedText paired_cases(const CaseDice& a, const CaseDice& b, const std::string& what) {
  ComparedText out;
  std::vector<std::pair<SeriesDice, SeriesDice>> both;
  Json ids = Json::array();
  for (const auto& [id, dice] : a) {
    if (const auto found = b.find(id); found != b.end()) {
      both.emplace_back(dice, found->second);
      ids.push_back(id);
    }
  }
  if (both.empty()) {
    const std::string why = a.empty() || b.empty()
                                ? fmt::format("the log of {} has none of {}", a.empty() ? "A" : "B", what)
                                : "none was validated by both";
    out.text = fmt::format("case by case: not compared, {}\n", why);
    return out;
  }
  Rows rows{{fmt::format("mean of {} cases", both.size()), "A", "B", "B - A", "95 % from", "to", "p (Wilcoxon)"}};
  for (std::size_t c = 0; c < kRegions.size() + 1; ++c) {
    std::vector<double> of_a;
    std::vector<double> of_b;
    for (const auto& [first, second] : both) {
      of_a.push_back(first[c]);
      of_b.push_back(second[c]);
    }
    const PairedDifference p = compare_paired(of_a, of_b);
    rows.push_back({fmt::format("{} Dice", dice_name(c)), dice_text(p.mean_a), dice_text(p.mean_b),
                    fmt::format("{:+.4f}", p.difference), fmt::format("{:+.4f}", p.low), fmt::format("{:+.4f}", p.high),
                    fmt::format("{:.3g}", p.p_value)});
    out.json["scores"][dice_name(c)] = {{"a", p.mean_a}, {"b", p.mean_b},  {"difference", p.difference},
                                        {"low", p.low},  {"high", p.high}, {"p", p.p_value}};
  }
  out.json["cases"] = ids;
  out.text = fmt::format("case by case, {}:\n{}", what, text_table(rows));
  return out;
}

ComparedText compare_runs(const RunRecord& a, const RunRecord& b) {
  ComparedText out = differing_settings(a, b);
  Rows rows{{"", "A", "B", "B - A"}};
  if (!a.validated.empty() && !b.validated.empty()) {
    add_scores(rows, out.json, "best", a.best(), b.best());
    add_scores(rows, out.json, "last", a.validated.back(), b.validated.back());
    rows.push_back({"epoch of best", fmt::format("{}", a.best().epoch), fmt::format("{}", b.best().epoch)});
  }
  const auto whole = [&](const char* what, std::size_t of_a, std::size_t of_b) {
    rows.push_back({what, fmt::format("{}", of_a), fmt::format("{}", of_b)});
    out.json[what] = {{"a", of_a}, {"b", of_b}};
  };
  whole("epochs", a.epochs.size(), b.epochs.size());
  whole("steps", a.steps.size(), b.steps.size());
  const auto seconds = [&](const char* what, double of_a, double of_b) {
    rows.push_back({what, fmt::format("{:.3f}", of_a), fmt::format("{:.3f}", of_b),
                    of_a > 0 ? fmt::format("x {:.3f}", of_b / of_a) : std::string()});
    out.json[what] = {{"a", of_a}, {"b", of_b}};
  };
  seconds("seconds of training", a.seconds(), b.seconds());
  seconds("seconds of a step, median", middle_seconds(a), middle_seconds(b));
  out.text += text_table(rows);
  for (const auto& [name, run] : {std::pair("A", &a), {"B", &b}}) {
    if (run->validated.empty()) { out.text += fmt::format("{} tells of no validation\n", name); }
  }
  const ComparedText cases = paired_cases(best_cases(a), best_cases(b), "the validation of best.safetensors");
  out.text += cases.text;
  out.json["paired"] = cases.json;
  return out;
}

}  // namespace vox
