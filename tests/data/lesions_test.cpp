#include "data/scoring/lesions.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "data/scoring/assignment.h"
#include "data/scoring/dilate.h"
#include "kernels/base/check.h"
#include "kernels/base/philox.h"
#include "tests/support/catch.h"

namespace vox::test {
namespace {

constexpr Extent3 kSize{20, 22, 24};

struct Map {
  std::vector<std::uint8_t> values = std::vector<std::uint8_t>(kSize[0] * kSize[1] * kSize[2]);

  /// A box of `size` from `low`.
  Map& add(const Extent3& low, const Extent3& size, std::uint8_t cls) {
    for (std::int64_t d = low[0]; d < low[0] + size[0]; ++d) {
      for (std::int64_t h = low[1]; h < low[1] + size[1]; ++h) {
        for (std::int64_t w = low[2]; w < low[2] + size[2]; ++w) {
          values[static_cast<std::size_t>((d * kSize[1] + h) * kSize[2] + w)] = cls;
        }
      }
    }
    return *this;
  }
};

ClassPair pair_of(const Map& truth, const Map& predicted, const std::array<double, 3>& spacing_mm = {1, 1, 1}) {
  Geometry geometry;
  geometry.size = kSize;
  geometry.spacing_mm = spacing_mm;
  return class_pair(geometry, truth.values, predicted.values);
}

LesionScores score(const ClassPair& classes, std::string_view rules, std::string_view region) {
  const auto all = lesion_scores(classes, lesion_rules_named(rules), 0b111111, 1);
  const auto s = std::ranges::find(all, region, &LesionScores::region);
  REQUIRE(s != all.end());
  return *s;
}

std::uint32_t random_bits(unsigned seed, std::size_t i) {
  return random4({.seed = seed}, static_cast<std::uint64_t>(i)).v[0];
}

bool same(double a, double b) { return a == b || (std::isnan(a) && std::isnan(b)); }

}  // namespace

TEST_CASE("dilation takes in the voxels within so many steps over faces and edges", "[lesions]") {
  for (const Extent3& size : {Extent3{1, 1, 1}, Extent3{3, 5, 7}, Extent3{4, 3, 64}, Extent3{2, 6, 131}}) {
    std::vector<std::uint8_t> mask(static_cast<std::size_t>(size[0] * size[1] * size[2]));
    for (std::size_t v = 0; v < mask.size(); ++v) { mask[v] = random_bits(3, v) % 40 == 0 ? 7 : 0; }
    std::vector<std::uint8_t> want(mask.size());
    std::ranges::transform(mask, want.begin(), [](std::uint8_t m) { return m != 0 ? 1 : 0; });
    for (int steps = 0; steps <= 3; ++steps) {
      INFO(size[0] << "x" << size[1] << "x" << size[2] << ", " << steps << " steps");
      CHECK(dilated(mask, size, steps) == want);
      std::vector<std::uint8_t> next = want;
      for (std::int64_t v = 0; v < std::ssize(want); ++v) {
        const Extent3 here{v / (size[1] * size[2]), v / size[2] % size[1], v % size[2]};
        for (int n = 0; n < 27 && want[static_cast<std::size_t>(v)] == 1; ++n) {
          const Extent3 step{n / 9 - 1, n / 3 % 3 - 1, n % 3 - 1};
          const Extent3 to{here[0] + step[0], here[1] + step[1], here[2] + step[2]};
          if (std::abs(step[0]) + std::abs(step[1]) + std::abs(step[2]) == 3) { continue; }
          if (std::ranges::min(to) < 0 || to[0] >= size[0] || to[1] >= size[1] || to[2] >= size[2]) { continue; }
          next[static_cast<std::size_t>((to[0] * size[1] + to[1]) * size[2] + to[2])] = 1;
        }
      }
      want = next;
    }
  }
  CHECK(dilated({}, {0, 2, 2}, 2).empty());
  CHECK_THROWS_AS(dilated(std::vector<std::uint8_t>(7), {2, 2, 2}, 1), Error);
}

TEST_CASE("the best matching is the best of all", "[lesions]") {
  for (unsigned seed = 1; seed <= 60; ++seed) {
    const auto rows = static_cast<std::int32_t>(1 + seed % 5);
    const auto columns = static_cast<std::int32_t>(1 + seed / 5 % 6);
    std::vector<Candidate> candidates;
    std::vector<double> worth(static_cast<std::size_t>(rows * columns));
    for (std::size_t i = 0; i < worth.size(); ++i) {
      const std::uint32_t bits = random_bits(seed, i);
      if (bits % 3 == 0) { continue; }
      worth[i] = 0.01 + (bits >> 8) % 1000;
      const auto at = static_cast<std::int32_t>(i);
      candidates.push_back({.row = at / columns, .column = at % columns, .worth = worth[i]});
    }
    const auto found = best_assignment(rows, columns, candidates);
    const auto value = [&](std::int32_t row, std::int32_t column) {
      return column < 0 || column >= columns ? 0 : worth[static_cast<std::size_t>(row * columns + column)];
    };
    double got = 0;
    std::vector<bool> taken(static_cast<std::size_t>(columns));
    REQUIRE(std::ssize(found) == rows);
    for (std::int32_t r = 0; r < rows; ++r) {
      const std::int32_t c = found[static_cast<std::size_t>(r)];
      if (c < 0) { continue; }
      CHECK(value(r, c) > 0);
      CHECK(!taken[static_cast<std::size_t>(c)]);
      taken[static_cast<std::size_t>(c)] = true;
      got += value(r, c);
    }
    // Every order of the columns and of as many empty places, rows taken in turn.
    std::vector<std::int32_t> order(static_cast<std::size_t>(std::max(rows, columns)));
    std::iota(order.begin(), order.end(), 0);
    double best = 0;
    do {
      double sum = 0;
      for (std::int32_t r = 0; r < rows; ++r) { sum += value(r, order[static_cast<std::size_t>(r)]); }
      best = std::max(best, sum);
    } while (std::ranges::next_permutation(order).found);
    INFO("seed " << seed);
    CHECK(got == Approx(best).epsilon(1e-14));
  }
  CHECK(best_assignment(2, 0, {}) == std::vector<std::int32_t>{-1, -1});
  CHECK_THROWS_AS(best_assignment(1, 1, {{.row = 0, .column = 1, .worth = 1}}), Error);
}

TEST_CASE("lesions too small to count and one false lesion, under each rule", "[lesions]") {
  // Found and missed lesions of 2 voxels, all tumour; a false lesion of 3 x 4 x 5 voxels far away.
  const Map truth = Map().add({1, 1, 1}, {1, 1, 2}, 3).add({1, 18, 1}, {1, 1, 2}, 3);
  const Map predicted = Map().add({1, 1, 1}, {1, 1, 2}, 3).add({15, 15, 15}, {3, 4, 5}, 3);
  for (const std::array<double, 3>& spacing : {std::array{1.0, 1.0, 1.0}, std::array{2.0, 1.0, 0.5}}) {
    const ClassPair classes = pair_of(truth, predicted, spacing);  // 2 mm3 and 60 mm3, in both
    for (const LesionRules& rules : lesion_rules()) {
      const bool rt = rules.name.ends_with("men-rt");
      INFO(rules.name << ", " << spacing[0] << " mm");
      const auto scores = lesion_scores(
          rt ? pair_of(Map(truth).add({1, 1, 1}, {1, 1, 2}, 1).add({1, 18, 1}, {1, 1, 2}, 1),
                       Map(predicted).add({1, 1, 1}, {1, 1, 2}, 1).add({15, 15, 15}, {3, 4, 5}, 1), spacing)
             : classes,
          rules, 0b111111, 1);
      const auto s = std::ranges::find(scores, rt ? "GTV" : "WT", &LesionScores::region);
      REQUIRE(s != scores.end());
      if (rules.method == LesionMethod::one_to_one) {
        CHECK((s->tp == 1 && s->fn == 1 && s->fp == 1));
        CHECK(s->f1 == 0.5);
        CHECK(s->sensitivity == 0.5);
        const bool met = rules.detected > 0;  // both lesions are below its 27 mm3
        CHECK(same(s->dice, met ? NAN : 1));
        CHECK(same(s->hd95_mm, met ? NAN : 0));
        CHECK(same(s->nsd.at(0), met ? NAN : 1));
        CHECK(same(s->small_f1, met ? 0.5 : NAN));
        continue;
      }
      CHECK((s->tp == 0 && s->fn == 0 && s->fp == 1 && s->lesions.empty()));
      const bool counts = rules.counts_false;
      CHECK(s->dice == (counts ? 0 : 1));
      const double penalty =
          rules.penalty == LesionPenalty::fixed ? rules.penalty_mm : std::sqrt(20. * 20 + 22. * 22 + 24. * 24);
      CHECK(s->hd95_mm == Approx(counts ? penalty : 0).epsilon(1e-15));
      for (const double n : s->nsd) { CHECK(n == (counts ? 0 : 1)); }
      CHECK(s->f1 == 0);
      CHECK(s->sensitivity == 1);
    }
  }
}

TEST_CASE("a small false lesion costs a case in 2023 and is free in 2024", "[lesions]") {
  const Map truth = Map().add({2, 2, 2}, {5, 5, 5}, 3);
  const Map predicted = Map(truth).add({18, 18, 18}, {1, 1, 1}, 3);
  const ClassPair classes = pair_of(truth, predicted);
  CHECK(score(classes, "brats2023-gli", "ET").dice == 0.5);
  CHECK(score(classes, "brats2023-gli", "ET").hd95_mm == 374.0 / 2);
  CHECK(score(classes, "brats2023-gli", "ET").fp == 1);
  CHECK(score(classes, "brats2024-gli", "ET").dice == 1);
  CHECK(score(classes, "brats2024-gli", "ET").hd95_mm == 0);
  CHECK(score(classes, "brats2024-gli", "ET").fp == 0);
  CHECK(score(classes, "brats2026-gli", "ET").dice == 1);
  CHECK(score(classes, "brats2026-gli", "ET").f1 == 2.0 / 3);
}

TEST_CASE("true lesions merge by dilation, and each takes what its shape meets", "[lesions]") {
  // Two cubes of 125 voxels, 6 apart: one lesion after 3 dilations each, two after 1. The prediction has the first one,
  // and of the second one plate of 25.
  const Map truth = Map().add({4, 2, 4}, {5, 5, 5}, 3).add({4, 13, 4}, {5, 5, 5}, 3);
  const Map predicted = Map().add({4, 2, 4}, {5, 5, 5}, 3).add({4, 13, 4}, {5, 1, 5}, 3);
  const ClassPair classes = pair_of(truth, predicted);
  const LesionScores gli = score(classes, "brats2023-gli", "ET");
  CHECK((gli.tp == 1 && gli.fn == 0 && gli.fp == 0));
  CHECK(gli.dice == Approx(2.0 * 150 / (250 + 150)).epsilon(1e-15));
  const LesionScores men = score(classes, "brats2023-men", "ET");
  CHECK((men.tp == 2 && men.fn == 0 && men.fp == 0));
  CHECK(men.dice == Approx((1 + 2.0 * 25 / (125 + 25)) / 2).epsilon(1e-15));
  // A prediction next to a lesion, without a voxel in common, is no false one.
  const ClassPair beside = pair_of(truth, Map().add({4, 7, 4}, {5, 1, 5}, 3).add({4, 13, 4}, {5, 5, 5}, 3));
  CHECK(score(beside, "brats2023-men", "ET").dice == 0.5);
  CHECK(score(beside, "brats2023-men", "ET").tp == 2);
  CHECK(score(beside, "brats2023-men", "ET").fp == 0);
  const LesionScores one_to_one = score(beside, "brats2026-men", "ET");
  CHECK((one_to_one.tp == 1 && one_to_one.fn == 1 && one_to_one.fp == 1));
  CHECK(one_to_one.dice == 1);
}

TEST_CASE("sizes are cubic millimetres", "[lesions]") {
  // 3 x 4 x 5 voxels are 60 mm3 of 1 mm, and 7.5 mm3 of half a millimetre.
  const Map truth = Map().add({2, 2, 2}, {3, 4, 5}, 3);
  CHECK(score(pair_of(truth, {}), "brats2023-gli", "ET").fn == 1);
  CHECK(score(pair_of(truth, {}, {0.5, 0.5, 0.5}), "brats2023-gli", "ET").fn == 0);
  CHECK(score(pair_of(truth, {}, {0.5, 0.5, 0.5}), "brats2023-gli", "ET").dice == 1);
  CHECK(score(pair_of(truth, {}, {0.5, 0.5, 0.5}), "brats2023-met", "ET").fn == 1);
  CHECK(score(pair_of(truth, {}), "brats2023-met", "ET").lesions.at(0).volume_mm3 == 60);
}

TEST_CASE("the trivial baseline is the score of an empty prediction", "[lesions]") {
  Map truth;
  Map predicted;
  for (std::size_t v = 0; v < truth.values.size(); ++v) {
    const std::uint32_t bits = random_bits(11, v / 50);
    truth.values[v] = bits % 29 == 0 ? static_cast<std::uint8_t>(1 + bits / 29 % 5) : 0;
    predicted.values[v] =
        random_bits(12, v / 50) % 31 == 0 ? truth.values[(v + 70) % truth.values.size()] : truth.values[v];
  }
  for (const Map& t : {truth, Map()}) {
    for (const LesionRules& rules : lesion_rules()) {
      INFO(rules.name);
      const auto scores = lesion_scores(pair_of(t, predicted), rules, 0b111111, 2);
      const auto empty = lesion_scores(pair_of(t, {}), rules, 0b111111, 1);
      const auto other = lesion_scores(pair_of(t, predicted), rules, 0b111111, 5);
      REQUIRE(scores.size() == empty.size());
      for (std::size_t r = 0; r < scores.size(); ++r) {
        const LesionScores nothing = nothing_found(scores[r], rules);
        INFO(nothing.region);
        CHECK(same(nothing.dice, empty[r].dice));
        CHECK(same(nothing.hd95_mm, empty[r].hd95_mm));
        CHECK(same(nothing.f1, empty[r].f1));
        CHECK(same(nothing.sensitivity, empty[r].sensitivity));
        CHECK(same(nothing.small_f1, empty[r].small_f1));
        CHECK(std::ranges::equal(nothing.nsd, empty[r].nsd, same));
        CHECK((nothing.tp == 0 && nothing.fn == empty[r].fn && nothing.fp == empty[r].fp));
        CHECK(same(scores[r].dice, other[r].dice));
        CHECK(same(scores[r].hd95_mm, other[r].hd95_mm));
      }
    }
  }
}

TEST_CASE("rules are found by name and say themselves in words", "[lesions]") {
  CHECK(lesion_rules_named("brats2024").name == "brats2024-gli");
  CHECK_THROWS_WITH(lesion_rules_named("brats2022-gli"), ContainsSubstring("brats2023-gli, "));
  CHECK_THROWS_WITH(lesion_rules_named("brats2024-goat"), ContainsSubstring("ask for those"));
  CHECK(why_no_lesion_rules("brats2026-goat").empty());
  CHECK_THAT(words(lesion_rules_named("brats2024-gli")), ContainsSubstring("after 3 (NETC 5, RC 5) dilations"));
  CHECK_THAT(words(lesion_rules_named("brats2023-met")), ContainsSubstring("after 1 dilation by 18 neighbours"));
  CHECK_THAT(words(lesion_rules_named("brats2024-gli")), ContainsSubstring("at most 20 mm3 (ET 10)"));
  CHECK_THAT(words(lesion_rules_named("brats2025-men-rt")), ContainsSubstring("false ones count nothing"));
  CHECK_THAT(words(lesion_rules_named("brats2026-met")), ContainsSubstring("27 mm3"));
  CHECK(missing_regions(lesion_rules_named("brats2024-gli"), kPlainClasses) == std::vector<std::string>{"RC"});
  CHECK(missing_regions(lesion_rules_named("brats2024-ped"), kPlainClasses) == std::vector<std::string>{"NETC", "CC"});
  CHECK(missing_regions(lesion_rules_named("brats2023-gli"), kPlainClasses).empty());
  const auto plain = lesion_scores(pair_of({}, {}), lesion_rules_named("brats2024-gli"), kPlainClasses, 1);
  CHECK(plain.size() == 5);
}

}  // namespace vox::test
