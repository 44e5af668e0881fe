#include "data/scoring/convention.h"

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "data/scoring/hd95.h"
#include "data/scoring/side_by_side.h"
#include "kernels/base/check.h"
#include "tests/support/catch.h"

namespace vox::test {
namespace {

const double kNone = std::numeric_limits<double>::quiet_NaN();

/// A row of voxels of 2 mm along it and 1 x 0.5 mm across: 0.001 ml each.
ScoredCase row(const std::vector<std::uint8_t>& truth, const std::vector<std::uint8_t>& predicted) {
  Geometry whole;
  whole.size = {1, 1, std::ssize(truth)};
  whole.spacing_mm = {1, 0.5, 2};
  Confusion confusion;
  const auto as_classes = [](std::vector<std::uint8_t> values) {
    for (std::uint8_t& v : values) { v = v == kCavity ? 0 : v == kCyst ? 1 : v; }
    return values;
  };
  confusion.add(as_classes(truth), as_classes(predicted));
  return {class_pair(whole, truth, predicted), confusion, 2};
}

double score(const std::string& convention, ScoredCase& scored, std::string_view region, std::string_view key) {
  const Convention& c = *find_convention(convention);
  const ScoreTable table = score_as(c, scored, {.cavity = true, .cyst = true});
  for (std::size_t r = 0; r < c.regions.size(); ++r) {
    for (std::size_t s = 0; s < c.scores.size(); ++s) {
      if (c.regions[r].name == region && c.scores[s].key == key) { return table[r][s]; }
    }
  }
  FAIL(convention << " has no " << region << " " << key);
  return 0;
}

bool same(double got, double wants) {
  return (std::isnan(got) && std::isnan(wants)) || got == Approx(wants).epsilon(1e-12);
}

/// Counts voxels of NETC and RC by a rule of its own.
Convention own(MeanOver mean) {
  Convention c;
  c.name = "own";
  c.about = "of this test";
  c.regions = {kNonEnhancing, kResectionCavity};
  c.scores = {{"n", "n", "voxels", Better::neither, "counts", "none: left out"}};
  c.mean = mean;
  c.score = [](ScoredCase& scored, const ScoredRegion& region, std::span<double> out) {
    const BinaryCounts& n = scored.masks(region).counts;
    if (n.tp + n.fp > 0) { out[0] = static_cast<double>(n.tp + n.fp); }
  };
  return c;
}

}  // namespace

TEST_CASE("each convention scores the four empty cases by its own rule", "[conventions]") {
  struct Row {
    const char* convention;
    const char* key;
    std::array<double, 4> wants;  // neither, only truth, only predicted, both the same
  };
  const std::array<Row, 10> rows{{{"brats2020", "dice", {1, 0, 0, 1}},
                                  {"brats2020", "hd95", {0, kHd95PenaltyMm, kHd95PenaltyMm, 0}},
                                  {"brats2020", "sensitivity", {1, 0, 0, 1}},
                                  {"nnunet", "dice", {kNone, 0, 0, 1}},
                                  {"nnunet", "iou", {kNone, 0, 0, 1}},
                                  {"monai", "dice", {kNone, 0, kNone, 1}},
                                  {"monai", "hd95", {kNone, kNone, kNone, 0}},
                                  {"monai", "nsd", {kNone, 0, 0, 1}},
                                  {"full", "nsd_surfel", {kNone, 0, 0, 1}},
                                  {"full", "volume_relative", {kNone, -1, kNone, 0}}}};
  const std::vector<std::uint8_t> nothing{0, 0, 0, 0};
  const std::vector<std::uint8_t> one{0, 3, 0, 0};
  for (const Row& wanted : rows) {
    INFO(wanted.convention << " " << wanted.key);
    for (std::size_t k = 0; k < 4; ++k) {
      ScoredCase scored = row(k % 2 == 1 ? one : nothing, k >= 2 ? one : nothing);
      CAPTURE(k);
      const double got = score(wanted.convention, scored, "ET", wanted.key);
      CHECK(same(got, wanted.wants[k]));
    }
  }
}

TEST_CASE("the conventions differ on one case as their formulas say", "[conventions]") {
  // ET: truth at voxels 0 to 18, predicted at 0. Distances in steps of 2 mm: 0, 1, ..., 18 and 0.
  std::vector<std::uint8_t> truth(30);
  std::fill(truth.begin(), truth.begin() + 19, std::uint8_t{3});
  std::vector<std::uint8_t> predicted(30);
  predicted[0] = 3;
  ScoredCase scored = row(truth, predicted);
  CHECK(same(score("brats2020", scored, "ET", "hd95"), 2 * 17.05));  // rank 0.95 * 19 of twenty
  CHECK(same(score("monai", scored, "ET", "hd95"), 2 * 17.1));       // rank 0.95 * 18 of nineteen
  CHECK(same(score("full", scored, "ET", "assd"), 2 * 171.0 / 20));
  CHECK(same(score("full", scored, "ET", "volume"), 0.019));
  CHECK(same(score("full", scored, "ET", "volume_error"), -0.018));
  CHECK(same(score("full", scored, "ET", "volume_difference"), 0.018));
  CHECK(same(score("full", scored, "ET", "volume_relative"), -18.0 / 19));
  CHECK(same(score("monai", scored, "ET", "nsd"), 2.0 / 20));  // no step is within 1 mm
  CHECK(same(score("nnunet", scored, "ET", "fn"), 18));
  CHECK(same(score("nnunet", scored, "WT", "n_ref"), 19));
  CHECK(same(score("brats2020", scored, "ET", "specificity"), 1));
  // Of the four classes the enhancing one has IoU 1/19 and the background 11/29; two are in neither.
  CHECK(score("seed", scored, "classes", "iou") == Approx((1.0 / 19 + 11.0 / 29 + 2) / 4).epsilon(1e-5));
  CHECK(same(score("seed", scored, "classes", "accuracy"), 12.0 / 30));
}

TEST_CASE("the trivial baseline is the same rule on nothing but background", "[conventions]") {
  ScoredCase scored = row({1, 3, 2, 0}, {1, 3, 2, 0});
  ScoredCase baseline = scored.all_background();
  CHECK(score("brats2020", scored, "ET", "hd95") == 0);
  CHECK(score("brats2020", baseline, "ET", "hd95") == kHd95PenaltyMm);
  CHECK(score("brats2020", baseline, "WT", "dice") == 0);
  CHECK(same(score("full", baseline, "WT", "volume_error"), -0.003));
  CHECK(same(score("seed", baseline, "classes", "accuracy"), 0.25));
}

TEST_CASE("a cavity and a cyst are regions where the labels have them, and count for no other", "[conventions]") {
  ScoredCase scored = row({1, kCavity, kCyst, 3, 2}, {1, kCavity, 0, 3, kCavity});
  const BinaryCounts cavity = scored.masks(kResectionCavity).counts;
  CHECK(cavity.tp == 1);
  CHECK(cavity.fp == 1);
  CHECK(scored.masks(kCystic).counts.fn == 1);
  CHECK(scored.masks(kNonEnhancing).counts.fn == 0);
  CHECK(scored.masks(kTumourCore).counts.tp + scored.masks(kTumourCore).counts.fn == 3);
  CHECK(scored.masks(kWholeTumour).counts.tp + scored.masks(kWholeTumour).counts.fn == 4);
  const Convention c = own(MeanOver::scored_cases);
  CHECK(score_as(c, scored, {.cavity = true, .cyst = false})[1][0] == 2);
  CHECK(std::isnan(score_as(c, scored, {.cavity = false, .cyst = false})[1][0]));
}

TEST_CASE("means leave out what has no score, or do not, and say how many", "[conventions]") {
  for (const MeanOver over : {MeanOver::scored_cases, MeanOver::all_cases}) {
    const Convention c = own(over);
    ConventionScores all{.convention = &c,
                         .cases = {},
                         .baselines = {},
                         .mean = {},
                         .baseline = {},
                         .all_regions = {},
                         .all_regions_baseline = {},
                         .left_out = {}};
    all.cases = {{{2}, {kNone}}, {{4}, {kNone}}, {{kNone}, {kNone}}};
    all.baselines = {{{1}, {1}}, {{1}, {1}}, {{1}, {1}}};
    take_means(all);
    CHECK(same(all.mean[0][0], over == MeanOver::scored_cases ? 3 : kNone));
    CHECK(std::isnan(all.mean[1][0]));
    CHECK(same(all.baseline[0][0], 1));
    CHECK(all.left_out == std::vector<std::vector<int>>{{1}, {3}});
  }
}

TEST_CASE("one number for all regions is of the means, or of the cases", "[conventions]") {
  Convention c = own(MeanOver::scored_cases);
  ConventionScores all{.convention = &c,
                       .cases = {},
                       .baselines = {},
                       .mean = {},
                       .baseline = {},
                       .all_regions = {},
                       .all_regions_baseline = {},
                       .left_out = {}};
  all.cases = {{{2}, {kNone}}, {{4}, {10}}, {{kNone}, {kNone}}};
  all.baselines = {{{1}, {1}}, {{1}, {3}}, {{1}, {kNone}}};
  take_means(all);
  CHECK(all.all_regions.empty());
  c.over_regions = OverRegions::of_means;
  take_means(all);
  CHECK(same(all.all_regions[0], (3.0 + 10) / 2));
  CHECK(same(all.all_regions_baseline[0], (1.0 + 2) / 2));
  c.over_regions = OverRegions::of_cases;
  take_means(all);
  CHECK(same(all.all_regions[0], (2.0 + 7) / 2));
  CHECK(same(all.all_regions_baseline[0], (1.0 + 2 + 1) / 3));
  CHECK(side_by_side({all}).back() == std::vector<std::string>{"regions n voxels", "4.50 (1.33)"});
  CHECK(as_json(all, {"A", "B", "C"})["all_regions"]["n"].get<double>() == 4.5);
}

TEST_CASE("surface Dice takes the tolerance that was asked for", "[conventions]") {
  ScoredCase scored = row({3, 0, 0, 0}, {0, 3, 0, 0});  // 2 mm apart
  CHECK(score("monai", scored, "ET", "nsd") == 0);
  scored.set_tolerance_mm(2);
  CHECK(score("monai", scored, "ET", "nsd") == 1);
  CHECK(score("full", scored, "ET", "nsd_surfel") == 1);
}

TEST_CASE("conventions stand side by side, and what they differ in is said", "[conventions]") {
  ScoredCase first = row({3, 3, 0, 0, 0, 0}, {3, 0, 0, 0, 3, 0});
  ScoredCase second = row({1, 2, 0, 0, 0, 0}, {1, 2, 0, 0, 0, 0});
  std::vector<ConventionScores> all;
  for (const char* name : {"brats2020", "monai"}) {
    ConventionScores& of = all.emplace_back();
    of.convention = find_convention(name);
    for (ScoredCase* scored : {&first, &second}) {
      of.cases.push_back(score_as(*of.convention, *scored, {}));
      of.baselines.push_back(score_as(*of.convention, *scored, {}));
    }
    take_means(of);
  }
  const auto table = side_by_side(all);
  CHECK(table[0] == std::vector<std::string>{"mean (all background)", "brats2020", "monai"});
  CHECK(table[1] == std::vector<std::string>{"WT Dice", "0.7500 (0.7500)", "0.7500 (0.7500)"});
  CHECK(std::ranges::find(table, std::vector<std::string>{"WT specificity", "0.8750 (0.8750)", ""}) != table.end());
  const std::vector<std::string> lines = differences(all);
  REQUIRE(lines.size() == 3);
  CHECK(lines[0] ==
        "WT, TC HD95: brats2020 pools the distances of both directions; monai takes the larger one of the two "
        "directions");
  CHECK(lines[1] ==
        "ET Dice: brats2020 counts all (both empty 1, one empty 0); monai leaves out 1 of 2 cases (truth empty: left "
        "out, whatever was predicted; prediction empty 0)");
  CHECK(lines[2] ==
        "ET HD95: brats2020 pools the distances of both directions and counts all (both empty 0, one empty 373.12866, "
        "the grid's diagonal); monai takes the larger one of the two directions and leaves out 1 of 2 cases (any "
        "empty: left out)");

  const Json json = as_json(all[1], {"A", "B"});
  CHECK(json["mean"]["ET"]["dice"].get<double>() == 0.5);
  CHECK(json["cases"]["B"]["ET"]["dice"].get<double>() != json["cases"]["B"]["ET"]["dice"].get<double>());
  CHECK(json["left_out"]["ET"]["dice"].get<int>() == 1);
  CHECK(json["scores"]["hd95"]["better"].get<std::string>() == "less");
  CHECK_THAT(as_csv_header(all[1]), ContainsSubstring(",monai:WT_dice,monai:WT_hd95,monai:WT_nsd,monai:TC_dice"));
  CHECK(as_csv_fields(all[1], 1) == ",1,0,1,1,0,1,,,");
}

TEST_CASE("a convention is found by its name", "[conventions]") {
  for (const Convention& c : all_conventions()) {
    CAPTURE(c.name);
    CHECK(find_convention(c.name) == &c);
    CHECK_THAT(all_convention_names(), ContainsSubstring(c.name));
    CHECK_FALSE(c.about.empty());
    for (const ScoreRule& s : c.scores) { CHECK_FALSE((s.key.empty() || s.title.empty() || s.does.empty())); }
  }
  CHECK(find_convention("brats1999") == nullptr);
}

}  // namespace vox::test
