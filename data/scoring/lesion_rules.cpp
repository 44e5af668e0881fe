#include "data/scoring/lesion_rules.h"

#include <fmt/format.h>

#include <algorithm>

#include "kernels/base/check.h"

namespace vox {
namespace {

constexpr std::uint8_t kCavityBit = 1U << kCavity;
constexpr std::uint8_t kCystBit = 1U << kCyst;

constexpr double kPenaltyMm = 374;     // about the diagonal of 240 x 240 x 155, 373.13
constexpr double kPenaltyMniMm = 337;  // about the diagonal of 182 x 218 x 182, 337.27
constexpr double kReportedMm = 373;    // what the 2026 report puts for an infinite distance

/// WT, TC, ET, in this order.
std::vector<LesionRegion> three(int steps, double smallest_mm3) {
  std::vector<LesionRegion> regions;
  for (const ScoredRegion& r : {kWholeTumour, kTumourCore, kEnhancing}) {
    regions.push_back({.region = r, .steps = steps, .smallest_mm3 = smallest_mm3});
  }
  return regions;
}

LesionRegion cavity(int steps, double smallest_mm3) {
  return {.region = kResectionCavity, .needs = kCavityBit, .steps = steps, .smallest_mm3 = smallest_mm3};
}

/// NETC is there to tie lesions of ET.
std::vector<LesionRegion> three_tied(int steps, double smallest_mm3) {
  std::vector<LesionRegion> regions = three(steps, smallest_mm3);
  regions[2].tied_by = {3};
  regions.push_back({.region = kNonEnhancing, .steps = steps, .smallest_mm3 = smallest_mm3, .scored = false});
  return regions;
}

std::vector<LesionRegion> gli_2024() {
  std::vector<LesionRegion> regions = three(3, 20);
  regions[2].smallest_mm3 = 10;
  regions[2].tied_by = {3, 5};
  regions.push_back({.region = kNonEnhancing, .steps = 5, .smallest_mm3 = 20, .tied_by = {2, 5}});
  regions.push_back({.region = kOedema, .steps = 3, .smallest_mm3 = 20, .tied_by = {2, 5, 3}});
  regions.push_back(cavity(5, 20));
  regions[5].tied_by = {2, 3};
  return regions;
}

std::vector<LesionRegion> ped_2024(int steps, double smallest_mm3) {
  std::vector<LesionRegion> regions = three(steps, smallest_mm3);
  for (const ScoredRegion& r : {kNonEnhancing, kCystic}) {
    regions.push_back({.region = r, .needs = kCystBit, .steps = steps, .smallest_mm3 = smallest_mm3});
  }
  const ScoredRegion oedema{.name = "ED", .classes = kOedema.classes};
  regions.push_back({.region = oedema, .steps = steps, .smallest_mm3 = smallest_mm3});
  return regions;
}

std::vector<LesionRegion> with(std::vector<LesionRegion> regions, const LesionRegion& more) {
  regions.push_back(more);
  return regions;
}

std::vector<LesionRegion> gtv(double smallest_mm3) {
  return {{.region = kGrossTumour, .steps = 1, .smallest_mm3 = smallest_mm3}};
}

void add_2023(std::vector<LesionRules>& all) {
  for (const char* name : {"gli", "ssa", "ped"}) {
    all.push_back({.name = fmt::format("brats2023-{}", name), .regions = three(3, 50), .penalty_mm = kPenaltyMm});
  }
  all.push_back({.name = "brats2023-men", .regions = three(1, 50), .penalty_mm = kPenaltyMm});
  all.push_back({.name = "brats2023-met", .regions = three(1, 2), .penalty_mm = kPenaltyMm});
}

/// 2025 adds surface Dice to the rules of 2024.
void add_2024(std::vector<LesionRules>& all, int year) {
  const auto add = [&](const char* name, std::vector<LesionRegion> regions, double penalty_mm) -> LesionRules& {
    all.push_back({.name = fmt::format("brats{}-{}", year, name),
                   .regions = std::move(regions),
                   .penalty_mm = penalty_mm,
                   .merges_prediction = true,
                   .small_in_voxels = true});
    if (year == 2025) { all.back().tolerances_mm = {0.5, 1.0}; }
    return all.back();
  };
  add("gli", gli_2024(), kPenaltyMniMm);
  add("ssa", three_tied(3, 50), kPenaltyMm);
  add("ped", ped_2024(5, 10), kPenaltyMm);
  LesionRules& met = add("met", three_tied(1, 2), kPenaltyMm);
  if (year == 2025) {
    met.regions.push_back(cavity(1, 2));
    met.penalty = LesionPenalty::voxel_diagonal;
  }
  LesionRules& rt = add("men-rt", gtv(50), 0);
  rt.penalty = LesionPenalty::voxel_diagonal;
  rt.small_in_voxels = false;
  rt.counts_false = false;
  if (year == 2025) { add("men", three(1, 50), kPenaltyMm).merges_prediction = false; }
}

void add_2026(std::vector<LesionRules>& all) {
  const auto add = [&](const char* name, std::vector<LesionRegion> regions) -> LesionRules& {
    for (LesionRegion& r : regions) { r.steps = 0; }
    all.push_back({.name = fmt::format("brats2026-{}", name),
                   .method = LesionMethod::one_to_one,
                   .regions = std::move(regions),
                   .penalty_mm = kReportedMm});
    return all.back();
  };
  std::vector<LesionRegion> gli = gli_2024();
  for (LesionRegion& r : gli) {
    r.smallest_mm3 = 0;
    r.tied_by.clear();
  }
  add("gli", gli);
  add("ped", ped_2024(0, 0));
  add("met", with(three(0, 27), cavity(0, 27))).detected = 0.2;
  add("men", three(0, 0));
  add("men-rt", gtv(0));
  add("goat", three(0, 0));
}

/// "20 mm3 (ET 10)": the first region's figure, and the others where they differ.
template <class Value> std::string by_region(const LesionRules& rules, const std::string& unit, const Value& value) {
  std::string text = fmt::format("{}{}", value(rules.regions[0]), unit);
  std::string others;
  for (const LesionRegion& r : rules.regions) {
    if (value(r) == value(rules.regions[0])) { continue; }
    others += fmt::format("{}{} {}", others.empty() ? "" : ", ", r.region.name, value(r));
  }
  return others.empty() ? text : fmt::format("{} ({})", text, others);
}

std::string penalty_words(const LesionRules& rules) {
  return rules.penalty == LesionPenalty::fixed ? fmt::format("{} mm", rules.penalty_mm)
                                               : "the diagonal of the volume in voxels";
}

std::string tied_words(const LesionRules& rules) {
  std::string text;
  for (const LesionRegion& r : rules.regions) {
    if (r.tied_by.empty()) { continue; }
    std::vector<std::string_view> by;
    for (const std::size_t k : r.tied_by) { by.push_back(rules.regions[k].region.name); }
    text += fmt::format("{}{} by {}", text.empty() ? "" : ", ", r.region.name, fmt::join(by, " and "));
  }
  return text.empty() ? "" : fmt::format(", and where the same first neighbour lesion touches them ({})", text);
}

std::string dilated_words(const LesionRules& rules) {
  const std::string both = rules.merges_prediction ? "true lesions, and predicted ones," : "true lesions";
  const std::string steps = by_region(rules, "", [](const LesionRegion& r) { return r.steps; });
  std::string text = fmt::format("{} merge where they touch after {} {} by 18 neighbours{}; ", both, steps,
                                 steps == "1" ? "dilation" : "dilations", tied_words(rules));
  const auto smallest = [](const LesionRegion& r) { return r.smallest_mm3; };
  text += fmt::format("true lesions of at most {} are left out", by_region(rules, " mm3", smallest));
  if (rules.merges_prediction) {
    text +=
        rules.small_in_voxels ? ", predicted ones of as many voxels removed first" : ", predicted ones removed first";
  }
  text += "; a lesion has every predicted one that its dilated shape meets; HD95 by surface area, the larger way";
  text += fmt::format("; missed: Dice 0, HD95 {}", penalty_words(rules));
  text += rules.counts_false ? "; false: the same, each" : "; false ones count nothing";
  if (!rules.tolerances_mm.empty()) {
    text += fmt::format("; surface Dice at {} mm, by voxels", fmt::join(rules.tolerances_mm, " and "));
  }
  return text + "; nothing left to score: Dice 1, HD95 0";
}

std::string one_to_one_words(const LesionRules& rules) {
  std::string text =
      "26-connected lesions matched one to one for the largest sum of Dice; Dice, HD95 (pooled) and surface Dice "
      "(tolerance: the smallest voxel edge) are means over matched pairs alone, missed and false lesions show in F1";
  if (rules.detected > 0) {
    text += fmt::format(
        "; those means take lesions of {} mm3 or more, smaller ones have an F1 of their own and are found from Dice {}",
        rules.regions[0].smallest_mm3, rules.detected);
  }
  return text + fmt::format("; no match: Dice 0, HD95 {}; no lesion in either: no score", penalty_words(rules));
}

}  // namespace

const std::vector<LesionRules>& lesion_rules() {
  static const std::vector<LesionRules> kAll = [] {
    std::vector<LesionRules> rules;
    add_2023(rules);
    add_2024(rules, 2024);
    add_2024(rules, 2025);
    add_2026(rules);
    return rules;
  }();
  return kAll;
}

const LesionRules& lesion_rules_named(std::string_view name) {
  std::vector<std::string> names;
  for (const LesionRules& rules : lesion_rules()) {
    if (rules.name == name || rules.name == std::string(name) + "-gli") { return rules; }
    names.push_back(rules.name);
  }
  VOX_CHECK(why_no_lesion_rules(name).empty(), "{}: {}", name, why_no_lesion_rules(name));
  VOX_FAIL("'{}' is no lesion-wise rule; there are {}", name, fmt::join(names, ", "));
}

std::string_view why_no_lesion_rules(std::string_view name) {
  if (name != "brats2024-goat" && name != "brats2025-goat") { return {}; }
  return "each case is scored by the rules of the tumour it shows, and no file says which; ask for those, as "
         "brats2024-gli";
}

std::string words(const LesionRules& rules) {
  return rules.method == LesionMethod::dilated ? dilated_words(rules) : one_to_one_words(rules);
}

std::vector<std::string> missing_regions(const LesionRules& rules, std::uint8_t classes) {
  std::vector<std::string> missing;
  for (const LesionRegion& r : rules.regions) {
    if (r.scored && (r.needs & ~classes) != 0) { missing.emplace_back(r.region.name); }
  }
  return missing;
}

}  // namespace vox
