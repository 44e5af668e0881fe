#include <fmt/format.h>

#include <cmath>
#include <map>
#include <string>

#include "data/scoring/lesions.h"
#include "engine/safetensors.h"
#include "tests/support/catch.h"

namespace vox::test {
namespace {

constexpr std::uint8_t kEveryClass = 0b111111;

Extent3 golden_size(const SafetensorsFile& golden) {
  Extent3 size{};
  REQUIRE(std::sscanf(golden.meta("size").c_str(), "%ldx%ldx%ld", &size[0], &size[1], &size[2]) == 3);
  return size;
}

/// From pairs of a value and a length, without the classes that a scheme has no number for.
std::vector<std::uint8_t> unrolled(const std::vector<std::uint8_t>& runs, std::uint8_t dropped) {
  std::vector<std::uint8_t> mask;
  for (std::size_t i = 0; i < runs.size(); i += 2) {
    mask.insert(mask.end(), runs[i + 1], runs[i] == dropped ? std::uint8_t{0} : runs[i]);
  }
  return mask;
}

ClassPair golden_case(const SafetensorsFile& golden, const std::string& name, std::uint8_t dropped) {
  Geometry geometry;
  geometry.size = golden_size(golden);
  const auto spacing = golden.read<double>(name + ".spacing");
  std::ranges::copy(spacing, geometry.spacing_mm.begin());
  return class_pair(geometry, unrolled(golden.read<std::uint8_t>(name + ".truth"), dropped),
                    unrolled(golden.read<std::uint8_t>(name + ".predicted"), dropped));
}

/// As tests/golden/lesions_reference.py writes a row.
std::vector<double> row_of(const LesionScores& s, const LesionRules& rules) {
  const auto n = [](std::int64_t count) { return static_cast<double>(count); };
  std::vector<double> row{s.dice, s.hd95_mm, n(s.tp), n(s.fp), n(s.fn)};
  row.insert(row.end(), s.nsd.begin(), s.nsd.end());
  if (rules.method == LesionMethod::one_to_one) { row.push_back(s.f1); }
  if (rules.detected > 0) { row.push_back(s.small_f1); }
  return row;
}

}  // namespace

TEST_CASE("lesion-wise scores are those of the scripts that BraTS scores with", "[lesions]") {
  const SafetensorsFile golden(VOX_SOURCE_DIR "/tests/golden/lesions.safetensors");
  std::map<std::string, int> compared;
  for (const auto& [name, tensor] : golden.tensors()) {
    const std::size_t dot = name.find('.');
    const std::size_t last = name.rfind('.');
    if (dot == last) { continue; }  // a mask or a spacing
    const LesionRules& rules = lesion_rules_named(name.substr(dot + 1, last - dot - 1));
    const bool ped = rules.name.ends_with("-ped");
    const ClassPair classes = golden_case(golden, name.substr(0, dot), ped ? kCavity : kCyst);
    const auto scores = lesion_scores(classes, rules, kEveryClass, 2);
    const auto s = std::ranges::find(scores, name.substr(last + 1), &LesionScores::region);
    REQUIRE(s != scores.end());
    const std::vector<double> got = row_of(*s, rules);
    const std::vector<double> want = golden.read<double>(name);
    REQUIRE(got.size() == want.size());
    for (std::size_t k = 0; k < got.size(); ++k) {
      // Surface Dice there divides by 1e-8 more than by the 2 that it should.
      const double tolerance = rules.name.starts_with("brats2025") && k >= 5 ? 6e-9 : 1e-12 * std::abs(want[k]);
      if (std::isnan(want[k]) ? std::isnan(got[k]) : std::abs(got[k] - want[k]) <= tolerance) { continue; }
      FAIL_CHECK(name << "[" << k << "]: " << fmt::format("{} and not {}", got[k], want[k]));
    }
    ++compared[rules.name];
  }
  CHECK(compared.size() == 14);
  for (const auto& [rules, times] : compared) {
    INFO(rules);
    CHECK(times >= 15);
  }
}

}  // namespace vox::test
