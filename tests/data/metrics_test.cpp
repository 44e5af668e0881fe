#include "data/scoring/metrics.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "data/cases/regions.h"
#include "data/scoring/hd95.h"
#include "data/scoring/nearest.h"
#include "kernels/base/check.h"
#include "tests/support/catch.h"

namespace vox::test {
namespace {

constexpr double kTiny = 1e-12;

LabelMap make(std::array<std::int64_t, 3> size, std::array<double, 3> spacing_mm = {1, 1, 1}) {
  LabelMap m;
  m.geometry.size = size;
  m.geometry.spacing_mm = spacing_mm;
  m.values.assign(static_cast<std::size_t>(m.geometry.voxels()), 0);
  return m;
}

std::uint8_t& at(LabelMap& m, std::int64_t d, std::int64_t h, std::int64_t w) {
  return m.values[static_cast<std::size_t>(m.index(d, h, w))];
}

LabelMap sprinkle(std::array<std::int64_t, 3> size, std::array<double, 3> spacing_mm, std::uint32_t seed, int one_in) {
  LabelMap m = make(size, spacing_mm);
  std::uint64_t state = seed;
  for (std::uint8_t& v : m.values) {
    state = state * 6364136223846793005U + 1442695040888963407U;
    v = (state >> 33U) % static_cast<std::uint64_t>(one_in) == 0 ? 1 : 0;
  }
  return m;
}

double squared_mm2(const LabelMap& m, std::array<std::int64_t, 3> a, std::array<std::int64_t, 3> b) {
  double sum = 0;
  for (std::size_t k = 0; k < 3; ++k) {
    const double step = m.geometry.spacing_mm[k] * static_cast<double>(a[k] - b[k]);
    sum += step * step;
  }
  return sum;
}

std::vector<std::array<std::int64_t, 3>> voxels_inside(const LabelMap& m) {
  std::vector<std::array<std::int64_t, 3>> found;
  for (std::int64_t d = 0; d < m.geometry.size[0]; ++d) {
    for (std::int64_t h = 0; h < m.geometry.size[1]; ++h) {
      for (std::int64_t w = 0; w < m.geometry.size[2]; ++w) {
        if (m.values[static_cast<std::size_t>(m.index(d, h, w))] != 0) { found.push_back({d, h, w}); }
      }
    }
  }
  return found;
}

bool set_voxel(const LabelMap& m, std::array<std::int64_t, 3> p) {
  for (std::size_t k = 0; k < 3; ++k) {
    if (p[k] < 0 || p[k] >= m.geometry.size[k]) { return false; }
  }
  return m.values[static_cast<std::size_t>(m.index(p[0], p[1], p[2]))] != 0;
}

std::vector<std::array<std::int64_t, 3>> surface_by_hand(const LabelMap& m) {
  std::vector<std::array<std::int64_t, 3>> found;
  for (const auto& p : voxels_inside(m)) {
    bool inner = true;
    for (std::size_t k = 0; k < 3; ++k) {
      for (const int step : {-1, 1}) {
        auto q = p;
        q[k] += step;
        inner = inner && set_voxel(m, q);
      }
    }
    if (!inner) { found.push_back(p); }
  }
  return found;
}

double nearest_mm2(const LabelMap& m, std::array<std::int64_t, 3> p,
                   const std::vector<std::array<std::int64_t, 3>>& to) {
  double best = std::numeric_limits<double>::infinity();
  for (const auto& q : to) { best = std::min(best, squared_mm2(m, p, q)); }
  return best;
}

/// The definition, literally.
double hd95_by_hand(const LabelMap& a, const LabelMap& b) {
  const auto surface_a = surface_by_hand(a);
  const auto surface_b = surface_by_hand(b);
  if (surface_a.empty() && surface_b.empty()) { return 0; }
  if (surface_a.empty() || surface_b.empty()) { return std::sqrt(240.0 * 240 + 240.0 * 240 + 155.0 * 155); }
  std::vector<double> all;
  for (const auto& p : surface_a) { all.push_back(std::sqrt(nearest_mm2(a, p, surface_b))); }
  for (const auto& p : surface_b) { all.push_back(std::sqrt(nearest_mm2(a, p, surface_a))); }
  std::sort(all.begin(), all.end());
  const double rank = 0.95 * static_cast<double>(all.size() - 1);
  const auto below = static_cast<std::size_t>(rank);
  const double above = below + 1 < all.size() ? all[below + 1] : all[below];
  return all[below] + (above - all[below]) * (rank - static_cast<double>(below));
}

/// Of masks, 0 and 1.
double hd95_of(const LabelMap& truth, const LabelMap& predicted, int threads) {
  ScoredCase scored(class_pair(truth.geometry, truth.values, predicted.values), {}, threads);
  return hd95_mm(scored, kWholeTumour);
}

bool close(double got, double wants) {
  return std::isfinite(wants) && std::abs(got - wants) <= kTiny * std::max(1.0, std::abs(wants));
}

}  // namespace

TEST_CASE("regions are unions of classes", "[metrics]") {
  const std::array<std::array<bool, 4>, 3> wants{
      {{false, true, true, true}, {false, true, false, true}, {false, false, false, true}}};
  for (std::size_t r = 0; r < 3; ++r) {
    for (int c = 0; c < 4; ++c) { CHECK(in_region(kRegions[r], c) == wants[r][static_cast<std::size_t>(c)]); }
  }
}

TEST_CASE("overlap scores of a hand-made pair have their known values", "[metrics]") {
  const RegionScores s = overlap_scores({.tp = 6, .fp = 2, .fn = 4, .tn = 88});
  CHECK(close(s.dice, 12.0 / 18));
  CHECK(close(s.iou, 6.0 / 12));
  CHECK(close(s.sensitivity, 0.6));
  CHECK(close(s.specificity, 88.0 / 90));
  CHECK(close(s.precision, 0.75));
  CHECK(close(s.f1, 2 * 0.75 * 0.6 / (0.75 + 0.6)));
  CHECK(close(s.accuracy, 0.94));
}

TEST_CASE("the four empty cases follow BraTS", "[metrics]") {
  struct Row {
    bool truth;
    bool predicted;
    double overlap;  // dice, iou, sensitivity, precision, f1
    double hd95_mm;
  };
  for (const Row& row : {Row{false, false, 1, 0}, Row{true, false, 0, 373.1286641361127},
                         Row{false, true, 0, 373.1286641361127}, Row{true, true, 1, 0}}) {
    INFO("truth " << row.truth << ", predicted " << row.predicted);
    LabelMap truth = make({3, 4, 5});
    LabelMap predicted = truth;
    if (row.truth) { at(truth, 1, 2, 3) = 3; }
    if (row.predicted) { at(predicted, 1, 2, 3) = 3; }
    for (const RegionScores& s : score_case(truth, predicted, 1)) {
      for (const double score : {s.dice, s.iou, s.sensitivity, s.precision, s.f1}) { CHECK(score == row.overlap); }
      CHECK(close(s.hd95_mm, row.hd95_mm));
      CHECK(s.specificity == (row.predicted && !row.truth ? 59.0 / 60 : 1.0));
      CHECK(s.accuracy == (row.predicted == row.truth ? 1.0 : 59.0 / 60));
    }
  }
}

TEST_CASE("a truth that fills the volume has specificity one", "[metrics]") {
  CHECK(overlap_scores({.tp = 8, .fp = 0, .fn = 0, .tn = 0}).specificity == 1);
}

TEST_CASE("classes are told apart only where a region does", "[metrics]") {
  LabelMap truth = make({1, 1, 4});
  truth.values = {1, 2, 3, 0};
  LabelMap predicted = truth;
  predicted.values = {2, 2, 3, 3};
  const CaseScores s = score_case(truth, predicted, 1);
  CHECK(close(s[0].dice, 6.0 / 7));  // WT: tp 3, fp 1
  CHECK(close(s[1].dice, 2.0 / 4));  // TC: truth {0,2}, predicted {2,3}
  CHECK(close(s[2].dice, 2.0 / 3));  // ET: truth {2}, predicted {2,3}
}

TEST_CASE("the Hausdorff distance of two single voxels is their distance in mm", "[metrics]") {
  LabelMap a = make({7, 7, 9}, {2.0, 0.5, 1.25});
  LabelMap b = a;
  at(a, 1, 2, 3) = 1;
  at(b, 4, 6, 8) = 1;
  CHECK(close(hd95_of(a, b, 1), std::sqrt(6.0 * 6 + 2.0 * 2 + 6.25 * 6.25)));
  CHECK(hd95_of(a, a, 1) == 0);
}

TEST_CASE("the pooled percentile of two shifted plates is what the formula says", "[metrics]") {
  LabelMap a = make({1, 3, 40});
  LabelMap b = a;
  for (std::int64_t w = 0; w < 19; ++w) { at(a, 0, 1, w) = 1; }  // surface: all, as the plate is one voxel thick
  at(b, 0, 1, 0) = 1;
  // From a: 0, 1, ..., 18; from b: 0. Rank 0.95 * 19 = 18.05 of 0, 0, 1, ..., 18 is 17.05.
  CHECK(close(hd95_of(a, b, 1), 17.05));
  CHECK(close(hd95_of(b, a, 1), 17.05));
}

TEST_CASE("the surface is the mask without its erosion by a face cross", "[metrics]") {
  LabelMap cube = make({5, 5, 5});
  for (std::int64_t i = 0; i < 125; ++i) {
    const auto inner = [](std::int64_t x) { return x >= 1 && x <= 3; };
    cube.values[static_cast<std::size_t>(i)] = inner(i / 25) && inner(i / 5 % 5) && inner(i % 5) ? 1 : 0;
  }
  const auto shell = surface_voxels(cube.values, cube.geometry.size);
  CHECK(std::ranges::count(shell, 1) == 26);
  CHECK(shell[62] == 0);  // the centre
  const std::vector<std::uint8_t> full(27, 1);
  CHECK(std::ranges::count(surface_voxels(full, {3, 3, 3}), 1) == 26);  // beyond the volume is outside
}

TEST_CASE("the nearest point equals brute force on odd shapes and spacings", "[metrics][threads]") {
  struct Row {
    std::array<std::int64_t, 3> size;
    std::array<double, 3> spacing_mm;
    int one_in;
  };
  for (const Row& row :
       {Row{{1, 1, 1}, {1, 1, 1}, 1}, Row{{1, 1, 17}, {1, 1, 0.3}, 5}, Row{{13, 1, 1}, {2.5, 1, 1}, 4},
        Row{{1, 11, 1}, {1, 3, 1}, 3}, Row{{5, 7, 3}, {1, 1, 1}, 20}, Row{{9, 6, 11}, {3, 0.9375, 0.5}, 60},
        Row{{8, 9, 10}, {0.7, 1.1, 1.3}, 2}, Row{{6, 5, 4}, {1, 2, 3}, 1}}) {
    const LabelMap m = sprinkle(row.size, row.spacing_mm, 7, row.one_in);
    const auto inside = voxels_inside(m);
    const std::vector<std::uint8_t> everywhere(m.values.size(), 1);
    const NearestPoint nearest(m.values, row.size, row.spacing_mm);
    const std::vector<double> got = nearest.distances_mm(everywhere, 1);
    double worst = 0;
    for (std::int64_t d = 0; d < row.size[0]; ++d) {
      for (std::int64_t h = 0; h < row.size[1]; ++h) {
        for (std::int64_t w = 0; w < row.size[2]; ++w) {
          const double wants = std::sqrt(nearest_mm2(m, {d, h, w}, inside));
          const double found = got[static_cast<std::size_t>(m.index(d, h, w))];
          if (found != wants) { worst = std::max(worst, std::abs(found - wants) / wants); }
        }
      }
    }
    INFO(row.size[0] << "x" << row.size[1] << "x" << row.size[2] << ", " << inside.size() << " inside");
    CHECK(worst <= 1e-14);
    CHECK(got == nearest.distances_mm(everywhere, 3));
  }
}

TEST_CASE("the distance to an empty mask is infinite", "[metrics]") {
  const std::vector<std::uint8_t> nothing(24);
  const std::vector<std::uint8_t> everywhere(24, 1);
  const NearestPoint nearest(nothing, {2, 3, 4}, {1, 1, 1});
  CHECK(nearest.none());
  for (const double d : nearest.distances_mm(everywhere, 2)) { CHECK(std::isinf(d)); }
}

TEST_CASE("the Hausdorff distance equals its definition, on any number of threads", "[metrics][threads]") {
  for (std::uint32_t seed = 1; seed <= 12; ++seed) {
    const std::array<std::int64_t, 3> size{3 + seed % 5, 2 + seed % 7, 5 + seed % 4};
    const LabelMap a = sprinkle(size, {1.5, 0.75, 1}, seed, 1 + static_cast<int>(seed % 9));
    const LabelMap b = sprinkle(size, {1.5, 0.75, 1}, seed + 100, 1 + static_cast<int>(seed % 4) * 8);
    INFO("seed " << seed);
    CHECK(close(hd95_of(a, b, 1), hd95_by_hand(a, b)));
    CHECK(hd95_of(a, b, 1) == hd95_of(a, b, 3));
  }
}

TEST_CASE("a percentile interpolates between ranks", "[metrics]") {
  CHECK(percentile({3}, 95) == 3);
  CHECK(close(percentile({4, 1, 3, 2}, 50), 2.5));
  CHECK(close(percentile({10, 0, 20, 30, 40}, 95), 38));
  CHECK(percentile({5, 7}, 100) == 7);
  CHECK(percentile({5, 7}, 0) == 5);
  CHECK_THROWS_AS(percentile({}, 50), Error);
}

TEST_CASE("confusion counts what was called what", "[metrics]") {
  Confusion c;
  c.add(std::vector<std::uint8_t>{0, 0, 1, 2, 3, 3}, std::vector<std::uint8_t>{0, 1, 1, 0, 3, 2});
  CHECK(c.voxels() == 6);
  CHECK(c.counts[0][0] == 1);
  CHECK(c.counts[0][1] == 1);
  CHECK(c.counts[2][0] == 1);
  CHECK(c.counts[3][2] == 1);
  const BinaryCounts one = c.of_class(1);
  CHECK((one.tp == 1 && one.fp == 1 && one.fn == 0 && one.tn == 4));
  const BinaryCounts tc = c.of_region(Region::tc);  // truth at 2, 4, 5; predicted at 1, 2, 4
  CHECK((tc.tp == 2 && tc.fp == 1 && tc.fn == 1 && tc.tn == 2));
  Confusion twice = c;
  twice += c;
  CHECK(twice.voxels() == 12);
  CHECK(twice.counts[3][2] == 2);
  CHECK_THROWS_AS(c.add(std::vector<std::uint8_t>{4}, std::vector<std::uint8_t>{0}), Error);
  CHECK_THROWS_AS(c.add(std::vector<std::uint8_t>{0, 0}, std::vector<std::uint8_t>{0}), Error);
}

TEST_CASE("the largest score wins and ties go to the lowest class, in both layouts", "[metrics]") {
  const std::vector<std::uint8_t> truth{0, 1, 2};
  const std::vector<float> planar{0.1F,      0.5F, 0.2F, /**/ 0.2F, 0.5F, 0.2F,
                                  /**/ 0.3F, 0.0F, 0.1F, /**/ 0.4F, 0.0F, 0.5F};
  std::vector<float> blocked(3 * 8, 9.0F);  // the padding must not be read
  for (std::size_t v = 0; v < 3; ++v) {
    for (std::size_t c = 0; c < 4; ++c) { blocked[v * 8 + c] = planar[c * 3 + v]; }
  }
  Confusion a;
  a.add_argmax(truth, planar, 1, 3);
  Confusion b;
  b.add_argmax(truth, blocked, 8, 1);
  CHECK(a.counts == b.counts);
  CHECK((a.counts[0][3] == 1 && a.counts[1][0] == 1 && a.counts[2][3] == 1));
  CHECK_THROWS_AS(a.add_argmax(truth, std::vector<float>(11), 1, 3), Error);
}

TEST_CASE("a class is what its regions say, and logits of regions count as the labels they make", "[metrics]") {
  for (int cls = 0; cls < kClasses; ++cls) {
    CHECK(class_of_regions([&](std::size_t r) { return in_region(kRegions[r], cls); }) == cls);
  }
  const std::vector<std::uint8_t> truth{0, 1, 2, 3};
  const std::vector<float> planar{-1.0F, 1.0F, 0.5F,      0.0F,  /**/ -2.0F, 0.1F,
                                  -0.1F, 0.0F, /**/ 0.0F, -1.0F, -3.0F,      2.0F};
  std::vector<float> blocked(4 * 8, 9.0F);  // the padding must not be read
  for (std::size_t v = 0; v < 4; ++v) {
    for (std::size_t r = 0; r < 3; ++r) { blocked[v * 8 + r] = planar[r * 4 + v]; }
  }
  Confusion a;
  a.add_regions(truth, planar, 1, 4);
  Confusion b;
  b.add_regions(truth, blocked, 8, 1);
  Confusion wanted;
  wanted.add(truth, std::vector<std::uint8_t>{0, 1, 2, 3});
  CHECK(a.counts == wanted.counts);
  CHECK(b.counts == wanted.counts);
  CHECK_THROWS_AS(a.add_regions(truth, std::vector<float>(11), 1, 4), Error);
}

TEST_CASE("macro scores average the classes that are there", "[metrics]") {
  Confusion c;
  c.counts[0] = {90, 2, 0, 0};
  c.counts[1] = {4, 6, 0, 0};
  c.counts[3] = {1, 0, 0, 3};  // class 2 is nowhere
  const MacroScores with = macro_scores(c, MacroOver::all_classes);
  const double iou0 = 90.0 / 97;
  const double iou1 = 6.0 / 12;
  const double iou3 = 3.0 / 4;
  CHECK(close(with.iou, (iou0 + iou1 + iou3) / 3));
  CHECK(close(with.accuracy, 99.0 / 106));
  CHECK(close(with.precision, (90.0 / 95 + 6.0 / 8 + 1) / 3));
  CHECK(close(with.recall, (90.0 / 92 + 6.0 / 10 + 3.0 / 4) / 3));
  CHECK(close(with.f1, (180.0 / 187 + 12.0 / 18 + 6.0 / 7) / 3));
  const MacroScores without = macro_scores(c, MacroOver::foreground);
  CHECK(close(without.iou, (iou1 + iou3) / 2));
  CHECK(close(without.accuracy, 9.0 / 16));
  const MacroScores baseline = macro_scores(c.all_background(), MacroOver::foreground);
  CHECK(baseline.iou == 0);
  CHECK(baseline.accuracy == 0);
  CHECK(baseline.f1 == 0);
  CHECK(close(macro_scores(c.all_background(), MacroOver::all_classes).accuracy, 92.0 / 106));
}

TEST_CASE("nothing to find and nothing found is right", "[metrics]") {
  Confusion c;
  c.counts[0][0] = 5;
  const MacroScores s = macro_scores(c, MacroOver::foreground);
  for (const double v : {s.iou, s.accuracy, s.precision, s.recall, s.f1}) { CHECK(v == 1); }
}

TEST_CASE("the all-background baseline is the score of an empty prediction", "[metrics]") {
  LabelMap truth = make({4, 3, 5});
  at(truth, 1, 1, 1) = 1;
  at(truth, 2, 1, 4) = 2;
  Confusion c;
  c.add(truth.values, truth.values);
  const CaseScores got = score_all_background(c);
  const CaseScores wants = score_case(truth, make({4, 3, 5}), 1);
  for (std::size_t r = 0; r < 3; ++r) {
    for (const auto& [label, score] : kRegionScores) {
      INFO(name(kRegions[r]) << " " << std::string(label));
      CHECK(got[r].*score == wants[r].*score);
    }
  }
  CHECK(got[2].dice == 1);  // no enhancing tumour in this truth
}

TEST_CASE("a mean over cases is taken score by score", "[metrics]") {
  std::vector<CaseScores> cases(2);
  cases[0][0].dice = 0.5;
  cases[1][0].dice = 1.0;
  cases[0][2].hd95_mm = 3;
  const CaseScores mean = mean_scores(cases);
  CHECK(mean[0].dice == 0.75);
  CHECK(mean[2].hd95_mm == 1.5);
  CHECK_THROWS_AS(mean_scores({}), Error);
}

}  // namespace vox::test
