#include "data/postprocess/postprocess.h"

#include <algorithm>
#include <map>
#include <set>

#include "data/postprocess/tune.h"
#include "kernels/base/check.h"
#include "kernels/base/philox.h"
#include "tests/support/catch.h"
#include "tests/support/files.h"

namespace vox::test {
namespace {

using Values = LargeVector<std::uint8_t>;

LabelMap volume(const Extent3& size, Values values, double spacing = 1) {
  LabelMap v;
  v.geometry.size = size;
  v.geometry.spacing_mm = {spacing, spacing, spacing};
  v.values = std::move(values);
  return v;
}

LabelMap random_classes(const Extent3& size, unsigned seed, unsigned of_eight) {
  Values values;
  for (std::int64_t v = 0; v < size[0] * size[1] * size[2]; ++v) {
    const std::uint32_t bits = random4({.seed = seed}, static_cast<std::uint64_t>(v)).v[0];
    values.push_back(bits % 8 < of_eight ? static_cast<std::uint8_t>(1 + bits / 8 % 3) : std::uint8_t{0});
  }
  return volume(size, values);
}

/// Components by filling from each voxel that has none yet, with the neighbours of the definition.
std::vector<std::int32_t> filled(const Values& mask, const Extent3& size, int most_axes) {
  std::vector<std::int32_t> of(mask.size());
  std::int32_t count = 0;
  for (std::size_t start = 0; start < mask.size(); ++start) {
    if (mask[start] == 0 || of[start] != 0) { continue; }
    of[start] = ++count;
    std::vector<std::int64_t> open{static_cast<std::int64_t>(start)};
    while (!open.empty()) {
      const std::int64_t v = open.back();
      open.pop_back();
      const Extent3 here{v / (size[1] * size[2]), v / size[2] % size[1], v % size[2]};
      for (int n = 0; n < 27; ++n) {
        const Extent3 step{n / 9 - 1, n / 3 % 3 - 1, n % 3 - 1};
        if (std::abs(step[0]) + std::abs(step[1]) + std::abs(step[2]) > most_axes) { continue; }
        Extent3 to{};
        bool inside = true;
        for (std::size_t a = 0; a < 3; ++a) {
          to[a] = here[a] + step[a];
          inside = inside && to[a] >= 0 && to[a] < size[a];
        }
        const auto other = static_cast<std::size_t>((to[0] * size[1] + to[1]) * size[2] + to[2]);
        if (!inside || mask[other] == 0 || of[other] != 0) { continue; }
        of[other] = count;
        open.push_back(static_cast<std::int64_t>(other));
      }
    }
  }
  return of;
}

PostprocessRules rules_in(const TempFolder& folder, const std::string& text) {
  const auto file = folder / "rules.json";
  write_bytes(file, text);
  return read_postprocess_rules(file);
}

}  // namespace

TEST_CASE("connected components are those that filling from each voxel finds", "[postprocess]") {
  for (const Extent3& size : {Extent3{1, 1, 1}, Extent3{1, 9, 7}, Extent3{6, 5, 11}, Extent3{13, 1, 4}}) {
    for (unsigned density = 1; density < 8; ++density) {
      const LabelMap classes = random_classes(size, density, density);
      const std::map<Connectivity, int> axes{
          {Connectivity::faces, 1}, {Connectivity::edges, 2}, {Connectivity::corners, 3}};
      for (const auto& [connectivity, most] : axes) {
        const Components c = connected_components(classes.values, size, connectivity);
        CHECK(c.of_voxel == filled(classes.values, size, most));
        for (std::size_t i = 0; i < c.voxels.size(); ++i) {
          CHECK(c.voxels[i] == std::ranges::count(c.of_voxel, static_cast<std::int32_t>(i + 1)));
        }
      }
    }
  }
  CHECK(connected_components(Values{}, {0, 3, 3}, Connectivity::faces).voxels.empty());
  CHECK_THROWS_AS(connected_components(Values(7), {2, 2, 2}, Connectivity::faces), Error);
}

TEST_CASE("no rule changes nothing, nor does any where there is no tumour", "[postprocess]") {
  LabelMap classes = random_classes({5, 6, 7}, 3, 4);
  const Values before = classes.values;
  CHECK(postprocess(classes, {}) == 0);
  CHECK(classes.values == before);
  LabelMap none = volume({3, 3, 3}, Values(27));
  PostprocessRules all{.keep_largest = {true, true, true},
                       .min_component_mm3 = {5, 5, 5},
                       .min_enhancing_mm3 = 5,
                       .fill_holes = {true, true, true}};
  CHECK(postprocess(none, all) == 0);
  CHECK(none.values == Values(27));
}

TEST_CASE("what leaves a region becomes the class around it", "[postprocess]") {
  // A row: a tumour of seven voxels with parts of TC and ET, and a speck of each class far from it.
  const Values row{2, 2, 1, 3, 3, 1, 2, 0, 2, 0, 1, 0, 3};
  const auto after = [&](const PostprocessRules& rules) {
    LabelMap v = volume({1, 1, 13}, row);
    postprocess(v, rules);
    return v.values;
  };
  CHECK(after({.keep_largest = {true, false, false}}) == Values{2, 2, 1, 3, 3, 1, 2, 0, 0, 0, 0, 0, 0});
  CHECK(after({.keep_largest = {false, true, false}}) == Values{2, 2, 1, 3, 3, 1, 2, 0, 2, 0, 2, 0, 2});
  CHECK(after({.keep_largest = {false, false, true}}) == Values{2, 2, 1, 3, 3, 1, 2, 0, 2, 0, 1, 0, 1});
  CHECK(after({.min_component_mm3 = {0, 0, 3}}) == Values{2, 2, 1, 1, 1, 1, 2, 0, 2, 0, 1, 0, 1});
  CHECK(after({.min_component_mm3 = {0, 4, 0}}) == Values{2, 2, 1, 3, 3, 1, 2, 0, 2, 0, 2, 0, 2});
  CHECK(after({.min_component_mm3 = {2, 0, 0}}) == Values{2, 2, 1, 3, 3, 1, 2, 0, 0, 0, 0, 0, 0});
  CHECK(after({.min_enhancing_mm3 = 3}) == row);
  CHECK(after({.min_enhancing_mm3 = 3.5}) == Values{2, 2, 1, 1, 1, 1, 2, 0, 2, 0, 1, 0, 1});
}

TEST_CASE("sizes are cubic millimetres, and components of equal size are kept by their place", "[postprocess]") {
  LabelMap v = volume({1, 1, 5}, {3, 3, 0, 3, 3}, 2);  // 16 mm3 each
  CHECK(postprocess(v, {.min_component_mm3 = {0, 0, 16}}) == 0);
  CHECK(postprocess(v, {.keep_largest = {true, false, false}}) == 2);
  CHECK(v.values == Values{3, 3, 0, 0, 0});
  CHECK(postprocess(v, {.min_component_mm3 = {0, 0, 16.5}}) == 2);
  CHECK(v.values == Values{1, 1, 0, 0, 0});
}

TEST_CASE("a hole is what a region encloses by faces, not what it touches the border with", "[postprocess]") {
  const Extent3 size{5, 5, 5};
  Values box(125);
  for (std::size_t v = 0; v < box.size(); ++v) {
    const bool inside =
        v / 25 % 5 >= 1 && v / 25 % 5 <= 3 && v / 5 % 5 >= 1 && v / 5 % 5 <= 3 && v % 5 >= 1 && v % 5 <= 3;
    box[v] = inside ? 1 : 0;
  }
  box[62] = 0;  // the middle
  LabelMap v = volume(size, box);
  CHECK(postprocess(v, {.fill_holes = {false, false, true}}) == 0);
  CHECK(postprocess(v, {.fill_holes = {true, false, false}}) == 1);
  CHECK(v.values[62] == 2);
  CHECK(postprocess(v, {.fill_holes = {false, true, false}}) == 1);
  CHECK(v.values[62] == 1);
  box[61] = 0;
  box[60] = 0;  // now a way out
  v = volume(size, box);
  CHECK(postprocess(v, {.fill_holes = {true, true, true}}) == 0);
  Values to_the_border(125, 1);
  to_the_border[0] = 0;
  v = volume(size, to_the_border);
  CHECK(postprocess(v, {.fill_holes = {true, true, true}}) == 0);
}

TEST_CASE("rules come back from their file, and one that is none is refused by its name", "[postprocess]") {
  const TempFolder folder;
  const PostprocessRules all{.connectivity = Connectivity::edges,
                             .keep_largest = {true, false, true},
                             .min_component_mm3 = {0, 12.5, 3},
                             .min_enhancing_mm3 = 200,
                             .fill_holes = {false, true, false}};
  CHECK(rules_in(folder, to_json(all)) == all);
  CHECK(rules_in(folder, to_json(PostprocessRules{})) == PostprocessRules{});
  CHECK(rules_in(folder, R"({"min_enhancing_mm3": 200, "tuned": {"cases": []}})") ==
        PostprocessRules{.min_enhancing_mm3 = 200});
  for (const auto& [text, why] : std::vector<std::pair<std::string, std::string>>{
           {"[]", "rules.json: wants an object"},
           {"{", "rules.json: is not JSON"},
           {R"({"largest": true})", "rules.json: largest: unknown, wants connectivity, keep_largest"},
           {R"({"keep_largest": true})", "keep_largest: wants an object with WT, TC or ET"},
           {R"({"keep_largest": {"XT": true}})", "keep_largest: 'XT' is none of WT, TC, ET"},
           {R"({"keep_largest": {"WT": 1}})", "keep_largest: wants true or false"},
           {R"({"min_component_mm3": {"WT": -1}})", "min_component_mm3: wants 0 or more mm3"},
           {R"({"min_enhancing_mm3": "200"})", "min_enhancing_mm3: wants a number of mm3"},
           {R"({"min_enhancing_mm3": 1, "min_enhancing_mm3": 2})", "names 'min_enhancing_mm3' twice"},
           {R"({"connectivity": 8})", "connectivity: wants 6, 18 or 26"}}) {
    CHECK_THROWS_AS(rules_in(folder, text), DataError);
    CHECK_THROWS_WITH(rules_in(folder, text), ContainsSubstring(why));
  }
  CHECK_THROWS_WITH(read_postprocess_rules(folder / "none.json"), ContainsSubstring("none.json: cannot open"));
}

TEST_CASE("tuning finds the rules that help, and says what they are worth on a case left out",
          "[postprocess][threads]") {
  // Three cases with specks of enhancing tumour where there is none, and a fourth whose small one is real.
  std::vector<TuningCase> cases;
  for (int i = 0; i < 4; ++i) {
    Values truth(12 * 12 * 12);
    for (std::size_t v = 12 * 12 * 3; v < truth.size() / 2; ++v) { truth[v] = 2; }
    Values predicted = truth;
    const auto first = static_cast<std::size_t>(12 * 12 * 4 + 7 * i);
    for (std::size_t v = first; v < first + 5; ++v) { predicted[v] = 3; }
    if (i == 3) { truth = predicted; }
    cases.push_back(
        tuning_case("case" + std::to_string(i), volume({12, 12, 12}, truth), volume({12, 12, 12}, predicted)));
    CHECK(cases.back().truth.geometry.size == Extent3{3, 12, 12});
  }
  const Tuned tuned = tune(cases);
  // Without the specks TC keeps its five voxels, as necrotic ones: only the removal from TC and then ET gives all
  // three.
  CHECK(tuned.after[2] == Approx(0.75));  // three cases right, the fourth's is lost
  CHECK(tuned.before[2] == Approx(0.25));
  CHECK(tuned.after[1] >= tuned.before[1]);
  CHECK(tuned.after[0] >= tuned.before[0]);
  CHECK(tuned.held_out[2] <= tuned.after[2]);
  const Tuned again = tune(cases, 3);
  CHECK(again.rules == tuned.rules);
  CHECK(again.held_out == tuned.held_out);

  const TempFolder folder;
  write_bytes(folder / "tuned.json", to_json(tuned, cases));
  CHECK(read_postprocess_rules(folder / "tuned.json") == tuned.rules);

  std::vector<TuningCase> right{cases[3]};
  const Tuned nothing = tune(right);
  CHECK(nothing.rules == PostprocessRules{});
  CHECK(nothing.before == nothing.after);
  CHECK_THROWS_AS(tune({}), Error);
  CHECK_THROWS_WITH(tuning_case("odd", volume({1, 1, 2}, Values(2)), volume({1, 1, 3}, Values(3))),
                    ContainsSubstring("odd: truth and prediction have 2 and 3 voxels"));
}

}  // namespace vox::test
