#include "data/scoring/lesion_match.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "data/scoring/assignment.h"

namespace vox {
namespace {

constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
/// What panoptica adds to the worth of every match, and the Dice below which it makes none.
constexpr double kMatchWorth = 1e-6;

std::size_t at(std::int64_t i) { return static_cast<std::size_t>(i); }

double ratio(double part, double whole, double of_nothing) { return whole == 0 ? of_nothing : part / whole; }

double dice(const LesionWork& work, std::int32_t lesion, std::span<const LesionOverlap> matched) {
  std::int64_t shared = 0;
  std::int64_t all = work.overlaps.truth.voxels[at(lesion)];
  for (const LesionOverlap& o : matched) {
    shared += o.voxels;
    all += work.overlaps.predicted.voxels[at(o.predicted)];
  }
  return 2.0 * static_cast<double>(shared) / static_cast<double>(all);
}

Lesion missed(const LesionVolume& v, double volume_mm3) {
  return {.volume_mm3 = volume_mm3, .hd95_mm = v.penalty_mm, .nsd = std::vector<double>(v.tolerances_mm.size())};
}

/// 2023 to 2025: who has which predictions.
void match_dilated(const LesionVolume& v, const LesionRegion& region, LesionWork& work, LesionScores& s) {
  const LesionOverlaps& o = work.overlaps;
  std::vector<bool> met(o.predicted.voxels.size());
  auto pair = o.pairs.begin();
  for (std::int32_t lesion = 1; lesion < std::ssize(o.truth.voxels); ++lesion) {
    const auto first = pair;
    while (pair != o.pairs.end() && pair->lesion == lesion) { met[at((pair++)->predicted)] = true; }
    if (o.truth.voxels[at(lesion)] == 0) { continue; }  // part of another one
    const double volume_mm3 = static_cast<double>(o.truth.voxels[at(lesion)]) * v.voxel_mm3;
    if (volume_mm3 <= region.smallest_mm3) { continue; }
    Lesion l = missed(v, volume_mm3);
    l.found = pair != first;
    if (l.found) { l.dice = dice(work, lesion, {first, pair}); }
    ++(l.found ? s.tp : s.fn);
    s.lesions.push_back(l);
    work.numbers.push_back(lesion);
    work.matches.emplace_back();
    for (auto k = first; k != pair; ++k) { work.matches.back().push_back(k->predicted); }
  }
  for (std::size_t k = 1; k < met.size(); ++k) { s.fp += o.predicted.voxels[k] > 0 && !met[k] ? 1 : 0; }
  count_scores(s, v.rules);
}

/// 2026: one prediction for a lesion.
void match_one_to_one(const LesionVolume& v, const LesionRegion& region, LesionWork& work, LesionScores& s) {
  const LesionOverlaps& o = work.overlaps;
  std::vector<Candidate> candidates;
  for (const LesionOverlap& p : o.pairs) {
    const double score = dice(work, p.lesion, {&p, 1});
    if (score >= kMatchWorth) { candidates.push_back({p.lesion - 1, p.predicted - 1, score + kMatchWorth}); }
  }
  const auto place = [](const LesionOverlap& p) { return std::pair{p.lesion, p.predicted}; };
  const auto of = best_assignment(work.truth.groups, work.predicted.groups, candidates);
  std::int64_t small = 0;
  std::int64_t small_found = 0;
  for (std::int32_t lesion = 1; lesion <= work.truth.groups; ++lesion) {
    Lesion l = missed(v, static_cast<double>(o.truth.voxels[at(lesion)]) * v.voxel_mm3);
    const std::int32_t predicted = of[at(lesion - 1)] + 1;
    l.found = predicted > 0;
    if (l.found) {
      const auto pair = std::ranges::lower_bound(o.pairs, std::pair{lesion, predicted}, {}, place);
      l.dice = dice(work, lesion, {pair, pair + 1});
    }
    ++(l.found ? s.tp : s.fn);
    if (l.volume_mm3 < region.smallest_mm3) {
      ++small;
      small_found += l.found && l.dice >= v.rules.detected ? 1 : 0;
      continue;
    }
    s.lesions.push_back(l);
    work.numbers.push_back(lesion);
    work.matches.emplace_back(l.found ? std::vector{predicted} : std::vector<std::int32_t>{});
  }
  s.fp = work.predicted.groups - s.tp;
  count_scores(s, v.rules);
  s.small_f1 = small == 0 || v.rules.detected == 0
                   ? kNone
                   : 2.0 * static_cast<double>(small_found) / static_cast<double>(small_found + small + s.fp);
}

}  // namespace

LesionScores match_lesions(const LesionVolume& v, const LesionRegion& region, LesionWork& work) {
  LesionScores s;
  s.region = region.region.name;
  s.small_f1 = kNone;
  s.penalty_mm = v.penalty_mm;
  work.overlaps = find_overlaps(work.truth, work.predicted, v.cut);
  (v.rules.method == LesionMethod::dilated ? match_dilated : match_one_to_one)(v, region, work, s);
  return s;
}

void count_scores(LesionScores& s, const LesionRules& rules) {
  const double of_nothing = rules.method == LesionMethod::dilated ? 1 : kNone;
  const auto tp = static_cast<double>(s.tp);
  s.sensitivity = ratio(tp, tp + static_cast<double>(s.fn), of_nothing);
  s.f1 = ratio(2 * tp, 2 * tp + static_cast<double>(s.fp + s.fn), of_nothing);
}

}  // namespace vox
