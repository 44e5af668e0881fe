#include "data/scoring/lesions.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "data/scoring/lesion_match.h"
#include "data/scoring/surface_distances.h"
#include "kernels/base/parallel.h"

namespace vox {
namespace {

constexpr double kNone = std::numeric_limits<double>::quiet_NaN();

std::size_t at(std::int64_t i) { return static_cast<std::size_t>(i); }

double ratio(double part, double whole, double of_nothing) { return whole == 0 ? of_nothing : part / whole; }

LesionVolume volume_of(const ClassPair& classes, const LesionRules& rules) {
  const auto& spacing = classes.whole.spacing_mm;
  LesionVolume v{.classes = classes, .rules = rules, .cut = {}, .tolerances_mm = rules.tolerances_mm};
  v.voxel_mm3 = spacing[0] * spacing[1] * spacing[2];
  v.penalty_mm = rules.penalty_mm;
  if (rules.penalty == LesionPenalty::voxel_diagonal) {
    double square = 0;
    for (const std::int64_t n : classes.whole.size) { square += static_cast<double>(n * n); }
    v.penalty_mm = std::sqrt(square);
  }
  if (rules.method == LesionMethod::one_to_one) { v.tolerances_mm = {*std::ranges::min_element(spacing)}; }
  // No margin is needed for what touches what: a path outside the box, moved to its side, stays in the dilated shapes.
  // The order in which shapes begin does need it.
  int margin = 0;
  for (const LesionRegion& r : rules.regions) {
    for (const std::size_t k : r.tied_by) { margin = std::max(margin, rules.regions[k].steps); }
  }
  v.cut = with_margin(classes, margin);
  return v;
}

void find(const LesionVolume& v, const LesionRegion& region, bool truth, LesionTissue& tissue) {
  const bool merged = truth || v.rules.merges_prediction;
  const double most = v.rules.small_in_voxels ? region.smallest_mm3 : region.smallest_mm3 / v.voxel_mm3;
  tissue = find_lesions(truth ? v.cut.truth : v.cut.predicted, v.cut.size, region, merged ? region.steps : 0,
                        !truth && v.rules.merges_prediction ? most : -1);
}

/// What a map keeps apart decides which regions it shows; a tissue that only ties is used as it is.
bool shown(const LesionRegion& region, std::uint8_t classes) { return region.scored && (region.needs & ~classes) == 0; }

/// A lesion and its predictions, in the smallest box around them.
MaskPair masks_of(const LesionVolume& v, const LesionWork& work, std::size_t k) {
  Box box = work.overlaps.truth.boxes[at(work.numbers[k])];
  std::vector<bool> wanted(work.overlaps.predicted.voxels.size());
  for (const std::int32_t p : work.matches[k]) {
    wanted[at(p)] = true;
    const Box& other = work.overlaps.predicted.boxes[at(p)];
    for (std::size_t a = 0; a < 3; ++a) {
      const std::int64_t end = std::max(box.start[a] + box.size[a], other.start[a] + other.size[a]);
      box.start[a] = std::min(box.start[a], other.start[a]);
      box.size[a] = end - box.start[a];
    }
  }
  MaskPair masks{
      .size = box.size, .spacing_mm = v.classes.whole.spacing_mm, .truth = {}, .predicted = {}, .counts = {}};
  masks.truth.reserve(at(box.size[0] * box.size[1] * box.size[2]));
  masks.predicted.reserve(masks.truth.capacity());
  for (std::int64_t d = box.start[0]; d < box.start[0] + box.size[0]; ++d) {
    for (std::int64_t h = box.start[1]; h < box.start[1] + box.size[1]; ++h) {
      std::size_t i = at((d * v.cut.size[1] + h) * v.cut.size[2] + box.start[2]);
      for (std::int64_t w = 0; w < box.size[2]; ++w, ++i) {
        const bool t = work.truth.lesion(i, v.cut.truth[i]) == work.numbers[k];
        const bool p = wanted[at(work.predicted.lesion(i, v.cut.predicted[i]))];
        masks.truth.push_back(t ? 1 : 0);
        masks.predicted.push_back(p ? 1 : 0);
        ++(t ? (p ? masks.counts.tp : masks.counts.fn) : (p ? masks.counts.fp : masks.counts.tn));
      }
    }
  }
  return masks;
}

/// The mean of the two surfaces' shares, as nnU-Net v1 and panoptica have it; pooling them would weigh by size.
double mean_surface_dice(const SurfaceDistances& d, double tolerance_mm) {
  const auto share = [&](const std::vector<double>& from) {
    const auto near = std::ranges::count_if(from, [&](double mm) { return mm <= tolerance_mm; });
    return static_cast<double>(near) / static_cast<double>(from.size());
  };
  return (share(d.from_truth) + share(d.from_predicted)) / 2;
}

void measure(const LesionVolume& v, const LesionWork& work, std::size_t k, Lesion& l) {
  if (!l.found) { return; }
  const MaskPair masks = masks_of(v, work, k);
  const bool dilated = v.rules.method == LesionMethod::dilated;
  if (dilated) { l.hd95_mm = hd95_surfel_mm(surfel_distances(masks, 1)); }
  if (v.tolerances_mm.empty()) { return; }
  const SurfaceDistances distances = surface_distances(masks, 1);
  if (!dilated) { l.hd95_mm = hd95_pooled_mm(distances); }
  for (std::size_t t = 0; t < l.nsd.size(); ++t) { l.nsd[t] = mean_surface_dice(distances, v.tolerances_mm[t]); }
}

void average(const LesionVolume& v, LesionScores& s) {
  const bool dilated = v.rules.method == LesionMethod::dilated;
  const double fp = dilated && v.rules.counts_false ? static_cast<double>(s.fp) : 0;
  double over = fp;
  double dice = 0;
  double hd95_mm = fp * v.penalty_mm;
  s.nsd.assign(v.tolerances_mm.size(), 0);
  for (const Lesion& l : s.lesions) {
    if (!dilated && !l.found) { continue; }
    ++over;
    dice += l.dice;
    hd95_mm += l.hd95_mm;
    for (std::size_t t = 0; t < s.nsd.size(); ++t) { s.nsd[t] += l.nsd[t]; }
  }
  // One to one: there is something to score as soon as there is a lesion of the size in question.
  const bool none = !dilated && (v.rules.detected > 0 ? s.lesions.empty() : s.lesions.empty() && s.fp == 0);
  const double perfect = dilated ? 1 : none ? kNone : 0;
  s.dice = ratio(dice, over, perfect);
  s.hd95_mm = ratio(hd95_mm, over, dilated ? 0 : none ? kNone : v.penalty_mm);
  for (double& n : s.nsd) { n = ratio(n, over, perfect); }
}

}  // namespace

std::vector<LesionScores> lesion_scores(const ClassPair& classes, const LesionRules& rules, std::uint8_t known,
                                        int threads) {
  const LesionVolume v = volume_of(classes, rules);
  const auto regions = std::ssize(rules.regions);
  std::vector<LesionWork> work(rules.regions.size());
  parallel_for(threads, 2 * regions,
               [&](std::int64_t i) { find(v, rules.regions[at(i / 2)], i % 2 == 0, work[at(i / 2)].of(i % 2 == 0)); });
  std::vector<std::vector<std::int32_t>> tied(2 * work.size());
  parallel_for(threads, 2 * regions, [&](std::int64_t i) {
    const bool truth = i % 2 == 0;
    std::vector<const LesionTissue*> neighbours;
    for (const std::size_t k : rules.regions[at(i / 2)].tied_by) { neighbours.push_back(&work[k].of(truth)); }
    tied[at(i)] = tied_groups(work[at(i / 2)].of(truth), neighbours, truth ? v.cut.truth : v.cut.predicted, v.cut.size);
  });
  std::vector<LesionScores> scores(rules.regions.size());
  parallel_for(threads, regions, [&](std::int64_t i) {
    for (const bool truth : {true, false}) {
      work[at(i)].of(truth).group = std::move(tied[at(2 * i + (truth ? 0 : 1))]);
    }
    if (shown(rules.regions[at(i)], known)) { scores[at(i)] = match_lesions(v, rules.regions[at(i)], work[at(i)]); }
  });
  struct Job {
    std::size_t region;
    std::size_t lesion;
  };
  std::vector<Job> jobs;
  for (std::size_t r = 0; r < scores.size(); ++r) {
    for (std::size_t k = 0; k < scores[r].lesions.size(); ++k) { jobs.push_back({r, k}); }
  }
  parallel_for(threads, std::ssize(jobs), [&](std::int64_t i) {
    const Job& job = jobs[at(i)];
    measure(v, work[job.region], job.lesion, scores[job.region].lesions[job.lesion]);
  });
  std::vector<LesionScores> result;
  for (std::size_t r = 0; r < scores.size(); ++r) {
    if (!shown(rules.regions[r], known)) { continue; }
    average(v, scores[r]);
    result.push_back(std::move(scores[r]));
  }
  return result;
}

LesionScores nothing_found(const LesionScores& s, const LesionRules& rules) {
  LesionScores nothing;
  nothing.region = s.region;
  nothing.penalty_mm = s.penalty_mm;
  nothing.fn = s.tp + s.fn;
  nothing.nsd.assign(s.nsd.size(), 0);
  nothing.lesions = s.lesions;
  for (Lesion& l : nothing.lesions) {
    l = {.volume_mm3 = l.volume_mm3, .hd95_mm = s.penalty_mm, .nsd = std::vector<double>(l.nsd.size())};
  }
  const bool dilated = rules.method == LesionMethod::dilated;
  nothing.small_f1 = std::isnan(s.small_f1) ? kNone : 0;
  nothing.hd95_mm = s.penalty_mm;
  count_scores(nothing, rules);
  if (s.lesions.empty()) {
    nothing.dice = dilated ? 1 : kNone;
    nothing.hd95_mm = dilated ? 0 : kNone;
    nothing.nsd.assign(s.nsd.size(), nothing.dice);
  }
  return nothing;
}

}  // namespace vox
