#include "data/scoring/metrics.h"

#include "data/cases/regions.h"
#include "data/scoring/hd95.h"
#include "kernels/base/check.h"

namespace vox {
namespace {

/// Where there is nothing to find and nothing was found, that is right.
double ratio(std::int64_t part, std::int64_t whole) {
  return whole == 0 ? 1.0 : static_cast<double>(part) / static_cast<double>(whole);
}

/// 0 where the denominator is empty although there is something to find, or something was found that is not there.
double ratio_of_mask(std::int64_t part, std::int64_t whole, const BinaryCounts& n) {
  return whole == 0 && n.fp + n.fn > 0 ? 0.0 : ratio(part, whole);
}

bool present(const BinaryCounts& n) { return n.tp + n.fp + n.fn > 0; }

}  // namespace

std::string_view name(Region r) {
  switch (r) {
    case Region::wt:
      return "WT";
    case Region::tc:
      return "TC";
    case Region::et:
      return "ET";
  }
  VOX_FAIL("name: unknown region");
}

bool in_region(Region r, int cls) {
  switch (r) {
    case Region::wt:
      return cls != 0;
    case Region::tc:
      return cls == 1 || cls == 3;
    case Region::et:
      return cls == 3;
  }
  VOX_FAIL("in_region: unknown region");
}

namespace {

ScoredRegion scored_region(Region r) {
  switch (r) {
    case Region::wt:
      return kWholeTumour;
    case Region::tc:
      return kTumourCore;
    case Region::et:
      return kEnhancing;
  }
  VOX_FAIL("scored_region: unknown region");
}

}  // namespace

RegionScores overlap_scores(const BinaryCounts& n) {
  RegionScores s;
  s.dice = ratio(2 * n.tp, 2 * n.tp + n.fp + n.fn);
  s.iou = ratio(n.tp, n.tp + n.fp + n.fn);
  s.sensitivity = ratio_of_mask(n.tp, n.tp + n.fn, n);
  s.precision = ratio_of_mask(n.tp, n.tp + n.fp, n);
  s.f1 = s.dice;
  s.specificity = ratio(n.tn, n.tn + n.fp);
  s.accuracy = ratio(n.tp + n.tn, n.tp + n.fp + n.fn + n.tn);
  return s;
}

void Confusion::add(std::span<const std::uint8_t> truth, std::span<const std::uint8_t> predicted) {
  VOX_CHECK(truth.size() == predicted.size(), "Confusion: {} predicted voxels, wants {}", predicted.size(),
            truth.size());
  for (std::size_t v = 0; v < truth.size(); ++v) {
    VOX_CHECK(truth[v] < kClasses && predicted[v] < kClasses, "Confusion: classes {} and {} at voxel {}, wants 0..{}",
              truth[v], predicted[v], v, kClasses - 1);
    ++counts[truth[v]][predicted[v]];
  }
}

void Confusion::add_argmax(std::span<const std::uint8_t> truth, std::span<const float> scores,
                           std::int64_t voxel_stride, std::int64_t class_stride) {
  const auto voxels = std::ssize(truth);
  VOX_CHECK(voxels == 0 || (voxels - 1) * voxel_stride + (kClasses - 1) * class_stride < std::ssize(scores),
            "Confusion: {} scores are too few for {} voxels at strides {} and {}", scores.size(), voxels, voxel_stride,
            class_stride);
  for (std::int64_t v = 0; v < voxels; ++v) {
    const float* const score = scores.data() + v * voxel_stride;
    std::size_t best = 0;
    for (std::size_t c = 1; c < kClasses; ++c) {
      if (score[static_cast<std::int64_t>(c) * class_stride] > score[static_cast<std::int64_t>(best) * class_stride]) {
        best = c;
      }
    }
    const std::uint8_t cls = truth[static_cast<std::size_t>(v)];
    VOX_CHECK(cls < kClasses, "Confusion: class {} at voxel {}, wants 0..{}", cls, v, kClasses - 1);
    ++counts[cls][best];
  }
}

void Confusion::add_regions(std::span<const std::uint8_t> truth, std::span<const float> logits,
                            std::int64_t voxel_stride, std::int64_t region_stride) {
  const auto voxels = std::ssize(truth);
  const auto regions = std::ssize(kRegions);
  VOX_CHECK(voxels == 0 || (voxels - 1) * voxel_stride + (regions - 1) * region_stride < std::ssize(logits),
            "Confusion: {} logits for {} voxels", logits.size(), voxels);
  for (std::int64_t v = 0; v < voxels; ++v) {
    const float* const of = logits.data() + v * voxel_stride;
    const std::uint8_t predicted =
        class_of_regions([&](std::size_t r) { return of[static_cast<std::int64_t>(r) * region_stride] > 0; });
    const std::uint8_t cls = truth[static_cast<std::size_t>(v)];
    VOX_CHECK(cls < kClasses, "Confusion: class {} at voxel {}, wants 0..{}", cls, v, kClasses - 1);
    ++counts[cls][predicted];
  }
}

Confusion& Confusion::operator+=(const Confusion& other) {
  for (std::size_t t = 0; t < kClasses; ++t) {
    for (std::size_t p = 0; p < kClasses; ++p) { counts[t][p] += other.counts[t][p]; }
  }
  return *this;
}

std::int64_t Confusion::voxels() const {
  std::int64_t n = 0;
  for (const auto& row : counts) {
    for (const std::int64_t count : row) { n += count; }
  }
  return n;
}

namespace {

template <class Inside> BinaryCounts collect(const Confusion& confusion, const Inside& inside) {
  BinaryCounts n;
  for (int t = 0; t < kClasses; ++t) {
    for (int p = 0; p < kClasses; ++p) {
      const std::int64_t count = confusion.counts[static_cast<std::size_t>(t)][static_cast<std::size_t>(p)];
      if (inside(t)) {
        (inside(p) ? n.tp : n.fn) += count;
      } else {
        (inside(p) ? n.fp : n.tn) += count;
      }
    }
  }
  return n;
}

}  // namespace

BinaryCounts Confusion::of_class(int cls) const {
  return collect(*this, [cls](int c) { return c == cls; });
}

BinaryCounts Confusion::of_region(Region region) const {
  return collect(*this, [region](int c) { return in_region(region, c); });
}

Confusion Confusion::all_background() const {
  Confusion baseline;
  for (std::size_t t = 0; t < kClasses; ++t) {
    for (const std::int64_t count : counts[t]) { baseline.counts[t][0] += count; }
  }
  return baseline;
}

MacroScores macro_scores(const Confusion& confusion, MacroOver over) {
  MacroScores sum;
  int classes = 0;
  std::int64_t right = 0;
  for (int c = over == MacroOver::all_classes ? 0 : 1; c < kClasses; ++c) {
    const BinaryCounts n = confusion.of_class(c);
    right += n.tp;
    if (!present(n)) { continue; }
    const RegionScores s = overlap_scores(n);
    sum.iou += s.iou;
    sum.precision += s.precision;
    sum.recall += s.sensitivity;
    sum.f1 += s.f1;
    ++classes;
  }
  const std::int64_t easy = over == MacroOver::all_classes ? 0 : confusion.counts[0][0];
  if (classes == 0) { return {.iou = 1, .accuracy = 1, .precision = 1, .recall = 1, .f1 = 1}; }
  const double k = classes;
  return {.iou = sum.iou / k,
          .accuracy = ratio(right, confusion.voxels() - easy),
          .precision = sum.precision / k,
          .recall = sum.recall / k,
          .f1 = sum.f1 / k};
}

CaseScores score_case(ScoredCase& scored) {
  CaseScores scores;
  for (std::size_t r = 0; r < kRegions.size(); ++r) {
    scores[r] = overlap_scores(scored.confusion().of_region(kRegions[r]));
    scores[r].hd95_mm = hd95_mm(scored, scored_region(kRegions[r]));
  }
  return scores;
}

CaseScores score_case(const LabelMap& truth, const LabelMap& predicted, int threads) {
  Confusion confusion;
  confusion.add(truth.values, predicted.values);
  ScoredCase scored(class_pair(truth.geometry, truth.values, predicted.values), confusion, threads);
  return score_case(scored);
}

CaseScores score_all_background(const Confusion& confusion) {
  CaseScores scores;
  for (std::size_t r = 0; r < kRegions.size(); ++r) {
    const BinaryCounts n = confusion.all_background().of_region(kRegions[r]);
    scores[r] = overlap_scores(n);
    scores[r].hd95_mm = n.fn == 0 ? 0.0 : kHd95PenaltyMm;
  }
  return scores;
}

CaseScores mean_scores(std::span<const CaseScores> cases) {
  VOX_CHECK(!cases.empty(), "mean_scores: no case");
  CaseScores mean;
  for (std::size_t r = 0; r < kRegions.size(); ++r) {
    for (const auto& [label, score] : kRegionScores) {
      double sum = 0;
      for (const CaseScores& c : cases) { sum += c[r].*score; }
      mean[r].*score = sum / static_cast<double>(cases.size());
    }
  }
  return mean;
}

}  // namespace vox
