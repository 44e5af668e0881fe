#include <fmt/format.h>

#include <algorithm>

#include "data/scoring/convention.h"
#include "data/scoring/lesions.h"

namespace vox {
namespace {

/// Which lesions: what sets a rule apart from the other lesion-wise ones, for the lines on why two of them differ.
std::string which(const LesionRules& rules) {
  if (rules.method == LesionMethod::one_to_one) { return "lesions matched one to one"; }
  const LesionRegion& first = rules.regions[0];
  return fmt::format("lesions over {} mm3 merged by {} {}, {}", first.smallest_mm3, first.steps,
                     first.steps == 1 ? "dilation" : "dilations",
                     !rules.counts_false       ? "no false ones"
                     : rules.merges_prediction ? "false ones over that size"
                                               : "false ones of any size");
}

std::vector<ScoreRule> columns(const LesionRules& rules) {
  const bool dilated = rules.method == LesionMethod::dilated;
  const std::string lesions = which(rules);
  const std::string mean = dilated              ? "averages over " + lesions
                           : rules.detected > 0 ? fmt::format("averages over pairs of {} from {} mm3 on", lesions,
                                                              rules.regions[0].smallest_mm3)
                                                : "averages over pairs of " + lesions;
  const std::string penalty =
      rules.penalty == LesionPenalty::fixed ? fmt::format("{}", rules.penalty_mm) : "the volume's diagonal in voxels";
  const std::string left_out = rules.detected > 0
                                   ? fmt::format("no lesion of {} mm3 or more: left out", rules.regions[0].smallest_mm3)
                                   : "no lesion in either: left out";
  const std::string share = dilated ? "nothing to score 1, missed or false 0" : left_out + "; no match 0";
  const std::string distance = dilated ? fmt::format("nothing to score 0, missed or false {}", penalty)
                                       : fmt::format("{}; no match {}", left_out, penalty);
  std::vector<ScoreRule> all{
      {"lesion_dice", "lesion Dice", "", Better::more, mean, share},
      {"lesion_hd95", "lesion HD95", "mm", Better::less,
       mean + (dilated ? ", by surface area, the larger direction" : ", pooling both directions"), distance}};
  if (!dilated) { all.push_back({"lesion_nsd", "lesion NSD", "", Better::more, mean, share}); }
  for (const double mm : rules.tolerances_mm) {
    all.push_back(
        {fmt::format("lesion_nsd_{}", mm), fmt::format("lesion NSD {} mm", mm), "", Better::more, mean, share});
  }
  const std::string none = dilated ? "no lesion 1" : "no lesion: left out";
  all.push_back({"lesion_f1", "lesion F1", "", Better::more, "takes 2 TP / (2 TP + FP + FN) of " + lesions, none});
  all.push_back(
      {"lesion_sensitivity", "lesion sensitivity", "", Better::more, "takes TP / (TP + FN) of " + lesions, none});
  if (rules.detected > 0) {
    all.push_back(
        {"small_lesion_f1", "F1 of small ones", "", Better::more,
         fmt::format("takes lesions below {} mm3, found from Dice {}", rules.regions[0].smallest_mm3, rules.detected),
         "no small lesion: left out"});
  }
  const std::string counts = "counts " + lesions;
  all.push_back({"lesions_found", "lesions found", "", Better::neither, counts, "every case counts"});
  all.push_back({"lesions_missed", "lesions missed", "", Better::less, counts, "every case counts"});
  all.push_back({"lesions_false", "lesions false", "", Better::less, counts, "every case counts"});
  return all;
}

void write(const LesionScores& s, const LesionRules& rules, std::span<double> out) {
  std::vector<double> row{s.dice, s.hd95_mm};
  row.insert(row.end(), s.nsd.begin(), s.nsd.end());
  row.insert(row.end(), {s.f1, s.sensitivity});
  if (rules.detected > 0) { row.push_back(s.small_f1); }
  for (const std::int64_t n : {s.tp, s.fn, s.fp}) { row.push_back(static_cast<double>(n)); }
  std::ranges::copy(row, out.begin());
}

}  // namespace

std::vector<Convention> lesion_conventions() {
  std::vector<Convention> all;
  for (const LesionRules& rules : lesion_rules()) {
    Convention c;
    c.name = rules.name;
    c.about = words(rules);
    for (const LesionRegion& r : rules.regions) {
      if (r.scored) { c.regions.push_back(r.region); }
    }
    c.scores = columns(rules);
    c.mean = rules.method == LesionMethod::dilated ? MeanOver::all_cases : MeanOver::scored_cases;
    c.score = [&rules](ScoredCase& scored, const ScoredRegion& region, std::span<double> out) {
      const auto& lesions = scored.lesions(rules);
      write(*std::ranges::find(lesions, region.name, &LesionScores::region), rules, out);
    };
    all.push_back(std::move(c));
  }
  return all;
}

}  // namespace vox
